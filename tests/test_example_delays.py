"""The examples that learn delays, as a user would run them."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


def run(script, *arguments, cwd):
    return subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "140"},
        capture_output=True,
        text=True,
        check=False,
    )


def tables(result):
    """First cell of each row of the tables to the other cells."""
    assert result.returncode == 0, result.stderr[-3000:]
    rows = [re.split(r" *│ *", line.strip("│ \n")) for line in result.stdout.splitlines()]
    return {row[0]: row[1:] for row in rows if len(row) > 1}


def percent(cell):
    return float(cell.rstrip("%"))


def test_delays_are_learned_where_nothing_else_helps(tmp_path):
    rows = tables(run("delays.py", "--quick", cwd=tmp_path))
    without = percent(rows["delays 0, weights learned"][0])
    learned, _, apart, rate = rows["delays learned, weights equal"][:4]
    assert without < 20, rows  # chance is 12.5 %
    assert percent(learned) > 85, rows
    assert float(apart.removesuffix(" ms")) < 2, rows  # 18 ms apart without delays
    # One detector of eight fires once or so in 140 ms.
    assert 0.3 < float(rate.removesuffix(" Hz")) < 10, rows
    assert rows["accuracy of the exported file"] == [learned]
    assert rows["output spikes that differ"] == ["0"]
    assert int(rows["longest delay"][0].removesuffix(" steps")) > 40
    for name in ("exported file", "picture"):
        assert (tmp_path / rows[name][0]).stat().st_size > 10_000, name


def test_delays_learned_from_random_see_motion_as_those_set_by_hand(tmp_path):
    result = run("visual_motion.py", "--quick", cwd=tmp_path)
    rows = tables(result)
    by_hand, random, learned = (
        percent(rows[name][0])
        for name in ("set by hand", "random, weights learned", "learned from random")
    )
    assert by_hand > 75, rows  # chance is 4 %
    assert random < 15, rows
    assert learned > by_hand - 15, rows
    off = float(rows["learned from random"][-1].removesuffix(" ms"))
    assert off < 25, rows  # random delays are some 80 ms off
    assert percent(rows["accuracy of the exported file"][0]) == learned
    assert int(rows["output spikes"][0].replace(",", "")) > 500
    assert rows["output spikes that differ"] == ["0"]
    for name in ("motion.net", "events.png", "delays.png"):
        path = f"out/visual_motion/{name}"
        assert path in result.stdout
        assert (tmp_path / path).stat().st_size > 10_000, name


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("delays.py", ["--seeds", "0"], "--seeds must be at least 1"),
        ("visual_motion.py", ["--recordings", "7"], "--recordings must be at least 24"),
    ],
)
def test_says_what_is_wrong_before_training(refusal, tmp_path, script, arguments, message):
    assert message in refusal(EXAMPLES / script, *arguments)
    assert not list(tmp_path.iterdir())


def test_neurons_that_forget_too_soon_learn_not_to(tmp_path):
    rows = tables(run("delays.py", "--leaks", "--quick", cwd=tmp_path))
    fixed, learned = (percent(rows[name][0]) for name in ("1 ms", "from 1 ms, learned"))
    assert fixed < 60, rows  # chance is 12.5 %
    assert learned > 85, rows
    span = re.findall(r"[\d.]+", rows["from 1 ms, learned"][2])
    assert float(span[0]) < 1 < 4 < float(span[2]), rows  # some longer, some shorter
