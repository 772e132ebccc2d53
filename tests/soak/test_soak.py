"""The parts of the soak (soak/), each for a second or two; and each finds what it is there for."""

import json
import pathlib
import signal
import sys
import time

import numpy as np
import pytest

# Behind everything else: the folder of the soak is beside the package.
sys.path.append(str(pathlib.Path(__file__).parents[2]))

import keras_slayer as ks
from keras_slayer.events import Events, read_events
from keras_slayer.export import LoihiSimulator
from soak import __main__ as program
from soak import exports, memory, network, recordings, report, streams, training


@pytest.mark.parametrize("chunk", [0, 700])
def test_streams_spike_as_the_batch_run(chunk):
    model = network.live("srm")
    found = streams.by_chunks(ks.Stream(model), streams.Batch(model), 9600, 600, chunk)
    assert found["failures"] == []
    assert found["steps"] >= 9600 - 700 and found["bursts_compared"] >= 4
    assert found["spikes_compared"] > 1000


def test_single_steps_spike_as_the_batch_run(tmp_path):
    model = network.live("loihi")
    model.export_loihi(tmp_path / "a.net")
    stream = LoihiSimulator(tmp_path / "a.net").stream()
    for one in (ks.Stream(model), stream):
        found = streams.by_steps(one, streams.Batch(model), 3200, 600)
        assert found["failures"] == [] and found["steps"] == 3200 and found["spikes_compared"] > 100


def test_a_stream_that_forgets_is_found():
    model = network.live("srm")

    class Forgetful(ks.Stream):
        """Each chunk begins from rest; the count of its steps goes on."""

        def __call__(self, chunk):
            before = self.steps
            self.reset()
            found = super().__call__(chunk)
            self.steps = before + chunk.shape[1]
            return found

    found = streams.by_chunks(Forgetful(model), streams.Batch(model), 8000, 600, 700)
    assert any("other spikes than alone" in failure for failure in found["failures"])


def test_recordings_that_are_harmed_or_vanish(tmp_path):
    found = recordings.run(600, tmp_path, rounds=2)
    assert found["failures"] == []
    assert found["rounds"] == 2 and found["samples"] > 30 and found["skipped"] > 4


def test_a_reader_that_takes_damage_for_events_is_found(tmp_path):
    def lenient(path):
        try:
            return read_events(path)
        except (ValueError, OSError):
            return Events(x=[1], y=[1], t=[1], polarity=[1])

    found = recordings.run(600, tmp_path, rounds=1, reader=lenient)
    assert any("samples of no whole file" in failure for failure in found["failures"])


@pytest.fixture
def written(tmp_path):
    """A run of four epochs as ``soak.training`` writes it, made here."""
    training.worker(tmp_path, 4)
    return tmp_path


def test_training_goes_on_where_it_was_killed(written):
    expected = [note["loss"] for note in training.losses(written)]
    assert len(set(expected)) == 4 and training.newest(written).name == "epoch-000004.keras"
    # As if killed while it wrote the loss of the last epoch.
    (written / "epoch-000004.keras").unlink()
    lines = (written / "losses.jsonl").read_text().splitlines()
    (written / "losses.jsonl").write_text("\n".join(lines[:3]) + '\n{"epoch": 3, "lo\n')
    training.worker(written, 4)
    assert training.losses(written)[-1] == {"epoch": 3, "loss": expected[3]}
    assert training.compare(written, expected) == []
    (written / "losses.jsonl").write_text("\n".join([lines[0], *lines[2:]]))
    assert training.compare(written, expected) == [f"{written.name}: no loss of epochs [1]"]


def test_an_optimizer_that_forgets_is_found(written):
    expected = [note["loss"] for note in training.losses(written)]
    (written / "epoch-000004.keras").unlink()
    training.worker(written, 4, forget=True)
    assert any("without interruption" in wrong for wrong in training.compare(written, expected))


@pytest.fixture
def known(tmp_path):
    """Networks that may be there, as ``exports.run`` knows them."""
    for version in range(exports.VERSIONS):
        exports.model(version).export_loihi(tmp_path / f"{version}.net")
    return {exports.digest(path) for path in tmp_path.glob("*.net")}


def test_half_a_file_is_found(known, tmp_path):
    assert len(known) == exports.VERSIONS
    path, half = tmp_path / "0.net", tmp_path / "half.net"
    half.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"half\.net"):
        exports.digest(half)
    assert exports.digest(path) in known


def series(*bytes_):
    """As if sampled once a second until now."""
    one = memory.Resident()
    one._start = time.monotonic() - len(bytes_)
    one.points = [(float(second), float(value)) for second, value in enumerate(bytes_)]
    return one


@pytest.mark.parametrize("growth", [0, 1])
def test_memory_that_grows_is_found(growth, monkeypatch):
    noise = np.random.default_rng(0).integers(-2, 3, 300)
    # Full after a third; then it grows or not.
    values = [min(5 * i, 500) + growth * max(i - 100, 0) / 4 + noise[i] for i in range(300)]
    monkeypatch.setattr(memory, "resident", lambda: values[-1] * 2**20)
    found = series(*(value * 2**20 for value in values)).figures()
    assert bool(found["failures"]) is bool(growth)
    if growth:
        assert found["slope_kilobytes_per_minute"] > 10_000


def test_the_report_says_what_was_survived(tmp_path):
    found = recordings.run(60, tmp_path, rounds=1)
    text = report.markdown(
        {"minutes": 1, "machine": {"cores": 2}, "parts": {"recordings": {"seconds": 3, **found}}}
    )
    assert "Pipelines over corrupt" in text and f"| samples | {found['samples']} |" in text
    assert "No failure." in text and json.dumps(found)
    found["failures"] = ["something"]
    text = report.markdown({"minutes": 1, "machine": {}, "parts": {"recordings": found}})
    assert "1 failures:\n- something" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--minutes", "nan"], "--minutes must be above 0. Received: nan"),
        (["--minutes", "-1"], "--minutes must be above 0. Received: -1.0"),
        (["--output", "taken/out"], "--output must be a folder that can be written: "),
    ],
)
def test_wrong_options_run_nothing(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    monkeypatch.setattr(sys, "argv", ["soak", *options])
    with pytest.raises(SystemExit, match="2"):
        program.main()
    assert message in capsys.readouterr().err


def test_a_part_that_is_cut_off_leaves_no_process(tmp_path, monkeypatch):
    """A signal to the soak ends the part, and what the part has started."""
    script = tmp_path / "python"
    pids = tmp_path / "pids"
    started = f"sleep 1000 > /dev/null 2>&1 &\necho $! $$ > {pids}\n"
    script.write_text(f"#!/bin/sh\n{started}sleep 0.3\nkill $PPID\nwait\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(sys, "argv", ["soak", "--part", "training", "--output", str(tmp_path)])
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("the soak takes no signals"))
    try:
        with pytest.raises(SystemExit, match="143"):
            program.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    deadline = time.monotonic() + 20
    while any(map(runs, pids.read_text().split())):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(pid):
    try:
        state = pathlib.Path("/proc", pid, "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return ") Z " not in state  # not yet reaped by init
