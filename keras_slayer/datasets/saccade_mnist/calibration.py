"""Figures of event recordings, to compare the simulated camera with N-MNIST's."""

import pathlib
import re
import zipfile

import numpy as np

from keras_slayer.datasets.saccade_mnist.digits import load_digits
from keras_slayer.datasets.saccade_mnist.simulate import SENSOR_SHAPE, Sensor, simulate
from keras_slayer.events.binning import to_spikes
from keras_slayer.events.files import decode_nmnist
from keras_slayer.events.stream import Events

# Over a random selection of 800 training recordings of N-MNIST.
NMNIST = {
    "events per recording": 4107.0,
    "  standard deviation": 1159.0,
    "ON fraction": 0.500,
    "last event (ms)": 307.7,
    "density (1 ms, 350 steps)": 0.00507,
    "events/ms, 1st saccade": 30.7,
    "events/ms, 2nd saccade": 25.2,
    "events/ms, 3rd saccade": 25.9,
    "events/ms, 1st pause": 2.67,
    "events/ms, 2nd pause": 3.79,
    "x, mean": 16.66,
    "x, standard deviation": 4.90,
    "y, mean": 17.25,
    "y, standard deviation": 6.25,
    "pixels without event": 0.614,
    "events of an active pixel": 9.2,
    "interval of a pixel (ms, median)": 5.2,
}

# Windows of the mean event rate over time, in milliseconds.
_SACCADES = ((0, 80), (110, 190), (225, 300))
_PAUSES = ((80, 105), (185, 222))
_PEAK_MS = 10
_DENSITY_STEPS = 350


def statistics(recordings: list[Events]) -> dict[str, float]:
    """The figures of `NMNIST` for other recordings of its kind; means over the recordings."""
    height, width, _ = SENSOR_SHAPE
    sizes = np.array([len(events) for events in recordings])
    rate = sum(np.bincount(np.minimum(e.t // 1000, 399), minlength=400) for e in recordings)
    rate = rate / len(recordings)
    smooth = np.convolve(rate, np.ones(_PEAK_MS) / _PEAK_MS, "same")
    counts, intervals = [], []
    for events in recordings:
        pixel = events.y.astype(np.int64) * width + events.x
        counts.append(np.bincount(pixel, minlength=height * width))
        order = np.lexsort((events.t, pixel))
        same = np.diff(pixel[order]) == 0
        intervals.append(np.diff(events.t[order])[same])
    counts = np.stack(counts)
    density = [to_spikes(e, SENSOR_SHAPE, _DENSITY_STEPS).mean() for e in recordings]
    values = [
        sizes.mean(),
        sizes.std(),
        np.mean([e.polarity.mean() for e in recordings]),
        np.mean([e.t[-1] for e in recordings]) / 1000,
        np.mean(density),
        *(smooth[start:stop].max() for start, stop in _SACCADES),
        *(rate[start:stop].mean() for start, stop in _PAUSES),
        np.mean([e.x.mean() for e in recordings]),
        np.mean([e.x.std() for e in recordings]),
        np.mean([e.y.mean() for e in recordings]),
        np.mean([e.y.std() for e in recordings]),
        (counts == 0).mean(),
        counts[counts > 0].mean(),
        np.median(np.concatenate(intervals)) / 1000,
    ]
    return {name: float(value) for name, value in zip(NMNIST, values, strict=True)}


def simulated(samples: int = 500, sensor: Sensor | None = None) -> list[Events]:
    """Recordings of `samples` digits, evenly over the classes."""
    images, _ = load_digits()
    index = np.linspace(0, len(images) - 1, samples).astype(int)
    return simulate(images[index], index, sensor)


def real(folder, samples: int = 500) -> list[Events]:
    """The first recordings of N-MNIST in the Train.zip of a folder."""
    path = pathlib.Path(folder).expanduser() / "Train.zip"
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if re.search(r"\.bin$", name)][:samples]
        return [decode_nmnist(archive.read(name), source=f"{path}/{name}") for name in names]


def table(simulation: dict[str, float], reference: dict[str, float] = NMNIST) -> str:
    """Both side by side, as text."""
    lines = [f"{'':34}{'simulated':>10}{'N-MNIST':>10}{'ratio':>8}"]
    for name, value in reference.items():
        lines.append(
            f"{name:34}{simulation[name]:10.4g}{value:10.4g}{simulation[name] / value:8.2f}"
        )
    return "\n".join(lines)
