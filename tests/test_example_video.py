"""The example that makes events of a moving picture."""

import pathlib
import runpy

import numpy as np
import pytest

from keras_slayer.events import read_events

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "examples" / "video_to_events.py"


def test_the_disc_is_where_its_events_are(tmp_path, capsys):
    example = runpy.run_path(str(SCRIPT))
    events = example["main"](["--duration", "60", "--output", str(tmp_path), "--camera", "clean"])
    assert read_events(tmp_path / "recording.bin", sensor_shape=(96, 96)) == events
    assert (tmp_path / "recording.png").stat().st_size > 10_000
    assert f"{len(events):,} events" in capsys.readouterr().out
    assert len(events) > 3000
    angle = 2 * np.pi * 2.5 * events.t / 1e6
    away = np.hypot(events.x - (48 + 26 * np.cos(angle)), events.y - (48 + 26 * np.sin(angle)))
    assert np.median(np.abs(away - 12)) < 1.5  # on its edge


def test_says_what_is_wrong(capsys):
    with pytest.raises(SystemExit):
        runpy.run_path(str(SCRIPT))["main"](["--fps", "1", "--duration", "10"])
    assert "two frames or more" in capsys.readouterr().err
