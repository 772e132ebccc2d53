"""`python -m keras_slayer.events`."""

import runpy
import sys
import types

import numpy as np
import pytest
from file_cases import SENSOR, raw_file, recording

from keras_slayer.events import Events, read_events, write_events
from keras_slayer.events.__main__ import main
from keras_slayer.events.commands.statistics import Statistics


def shown(capsys) -> dict[str, str]:
    """The rows that were printed, by their names."""
    lines = capsys.readouterr().out.splitlines()
    return {line[:12].strip(): line[12:] for line in lines}


def test_inspect(tmp_path, capsys):
    t = np.concatenate([np.arange(2000) * 500 + 5_000_000, [5_500_100] * 30])
    x, y = np.arange(2030) % 100, np.arange(2030) % 50
    x[-30:], y[-30:] = 7, 8
    events = Events(x, y, t, np.arange(2030) % 4 > 0, sensor_shape=SENSOR).sorted()
    path = tmp_path / "camera.raw"
    write_events(path, events)
    assert main(["inspect", str(path)]) == 0
    rows = shown(capsys)
    assert rows == {
        "file": f"{path} ({path.stat().st_size / 1000:.3g} kB)",
        "format": "evt3, Prophesee EVT 3.0",
        "sensor": "200 x 100 pixels",
        "events": "2,030",
        "time": "0.9995 s, from 5,000,000 to 5,999,500 us",
        "rate": "2.03 k events/s; at most 5 k events/s in 10 ms, 0.50 s after the first",
        "polarity": f"{events.polarity.mean():.1%} ON",
        "pixels": "101 active; hot ones (x, y): none",
        "in order": "yes",
    }


def test_inspect_what_is_odd(tmp_path, capsys):
    """No size in the file, a hot pixel, times that run backwards."""
    grid = np.arange(400)
    x = np.concatenate([grid % 20, np.full(300, 3)])
    y = np.concatenate([grid // 20, np.full(300, 4)])
    t = np.concatenate([np.arange(400), np.arange(300)])
    path = tmp_path / "camera.bin"
    write_events(path, Events(x=x, y=y, t=t))
    assert main(["inspect", str(path)]) == 0
    rows = shown(capsys)
    assert rows["sensor"] == "not in the file; events reach 20 x 20 pixels"
    assert rows["pixels"] == "400 active; hot ones (x, y): (3, 4): 301"
    assert rows["in order"] == "no: 1 events are earlier than the one before"
    assert rows["polarity"] == "0.0% ON"
    write_events(path, Events(x=[], t=[]))
    assert main(["inspect", str(path)]) == 0
    assert shown(capsys)["events"] == "none"
    write_events(path, Events(x=[1], t=[5]))
    assert main(["inspect", str(path)]) == 0
    assert shown(capsys)["rate"] == "-; at most 100 events/s in 10 ms, 0.00 s after the first"


def figures(statistics):
    """All of them, as plain values."""
    tallies = (statistics.windows, statistics.pixels)
    counts = [dict(zip(t.values.tolist(), t.counts.tolist(), strict=True)) for t in tallies]
    return {**vars(statistics), "windows": counts[0], "pixels": counts[1]}


def test_statistics_do_not_depend_on_chunks():
    events = recording(999)[::-1]
    whole = Statistics.of([events])
    assert whole.events == 999 and whole.backwards > 900
    assert sum(whole.pixels.counts) == sum(whole.windows.counts) == 999
    for size in (1, 7, 500):
        parts = Statistics.of(events[i : i + size] for i in range(0, 999, size))
        assert figures(parts) == figures(whole)


def test_inspect_draws(tmp_path, capsys):
    path, picture = tmp_path / "camera.npy", tmp_path / "camera.png"
    write_events(path, recording(50))
    assert main(["inspect", str(path), "--plot", str(picture)]) == 0
    assert shown(capsys)["picture"] == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_convert(tmp_path, capsys):
    events = recording(100)
    late = Events(**{**events.to_dict(), "t": events.t[::-1] + 9_000_000})
    first, second = tmp_path / "camera.aedat", tmp_path / "camera.raw"
    write_events(first, late)
    assert main(["convert", str(first), str(second)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: An EVT 3.0 file holds events in order of time")
    assert not second.exists()
    arguments = ["--fix-time", "--from-zero", "--sensor", "200x100", "--to", "evt2"]
    assert main(["convert", str(first), str(second), *arguments]) == 0
    assert capsys.readouterr().out == f"{second}: 100 events\n"
    assert second.read_bytes().startswith(b"% evt 2.0")
    read = read_events(second)
    assert read.sensor_shape == SENSOR
    assert read.t.tolist() == (late.sorted().t - late.t.min()).tolist()


def test_options_of_reading(tmp_path, capsys):
    text = tmp_path / "events.txt"
    text.write_text("0.5 1 2 1\n0.25 3 4 0\n")
    output = tmp_path / "events.csv"
    command = ["convert", str(text), str(output), "--columns", "t,x,y,p", "--time-unit", "s"]
    assert main(command) == 0
    assert output.read_text() == "x,y,t,p\n1,2,500000,1\n3,4,250000,0\n"
    raw = tmp_path / "camera.raw"
    raw.write_bytes(raw_file("EVT3", [8 << 12, 0, 2 << 12, 0x9000]) + b"\0")
    capsys.readouterr()
    assert main(["inspect", str(raw)]) == 1
    assert "error: " in capsys.readouterr().err
    assert main(["inspect", str(raw), "--damaged", "skip"]) == 0
    warned = capsys.readouterr().err.splitlines()
    assert len(warned) == 2 and all(line.startswith(f"warning: {raw}: ") for line in warned)
    for arguments, message in (
        (["inspect", str(raw), "--sensor", "640"], "as 640x480. Received: '640'"),
        (["inspect", str(raw), "--format", "evt4"], "invalid choice: 'evt4'"),
        ([], "required: COMMAND"),
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert message in capsys.readouterr().err
    assert main(["inspect", str(raw), "--camera", "dvs128"]) == 1
    assert "evt3 have the options []. Received: camera='dvs128'" in capsys.readouterr().err
    assert main(["inspect", str(tmp_path / "none.raw")]) == 1
    assert "none.raw" in capsys.readouterr().err


def test_play_hands_the_recording_over(tmp_path, capsys, monkeypatch):
    """The film itself is tested with `animate_events`."""
    calls = []
    animation = types.ModuleType("animation")
    animation.animate_events = lambda events, path, **options: calls.append((events, path, options))
    monkeypatch.setitem(sys.modules, "keras_slayer.visualization.animation", animation)
    path = tmp_path / "camera.es"
    write_events(path, recording(30))
    assert main(["play", str(path), "out.gif", "--dt", "5"]) == 0
    assert calls == [(recording(30), "out.gif", {"dt": 5.0, "fps": 25.0, "sensor_shape": SENSOR})]
    assert capsys.readouterr().out == "out.gif: 30 events\n"


def test_the_module_runs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["events", "--help"])
    monkeypatch.delitem(sys.modules, "keras_slayer.events.__main__")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("keras_slayer.events", run_name="__main__")
    assert ended.value.code == 0
    assert "    python -m keras_slayer.events convert IN OUT\n" in capsys.readouterr().out
