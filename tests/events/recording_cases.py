"""Small recordings, folders and readers of them, for the tests of Recordings."""

import time

import numpy as np

from keras_slayer.events import Events, from_folder, read_events, write_events

SENSOR = (20, 30)  # height, width


def random_events(seed=0, count=60, seconds=1.0, start=0, sensor=SENSOR):
    """In order of time, from `start` (us) on; the last one is at the end of time and sensor."""
    rng = np.random.default_rng(seed)
    end = round(seconds * 1e6) - 1
    t = np.sort(np.concatenate([[0, end], rng.integers(0, end, count - 2)]))
    return Events(
        x=np.append(rng.integers(0, sensor[1], count - 1), sensor[1] - 1),
        y=np.append(rng.integers(0, sensor[0], count - 1), sensor[0] - 1),
        t=start + t,
        polarity=rng.integers(0, 2, count),
    )


def make_folder(folder, files):
    """Writes a `.bin` for each path below the folder; the i-th is `random_events(i)`."""
    made = {}
    for seed, name in enumerate(files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made[name] = random_events(seed)
        write_events(path, made[name])
    return made


def class_folder(folder, sizes=(("left", 3), ("right", 3))):
    """`<label>/<number>.bin`; the events by path, in order of the paths."""
    return make_folder(folder, [f"{label}/{i}.bin" for label, size in sizes for i in range(size)])


def elements(dataset):
    """`(Events, label)` of each element."""
    return [(Events(**events), int(label)) for events, label in dataset.as_numpy_iterator()]


class Counting:
    """A reader that counts its calls."""

    def __init__(self, seconds=0.0):
        self.seconds, self.read = seconds, []

    def __call__(self, path):
        self.read.append(path.name)
        time.sleep(self.seconds)
        return read_events(path)


def load(folder, **arguments):
    counting = Counting()
    arguments = {"sensor_shape": SENSOR, "reader": counting, **arguments}
    return from_folder(folder, "{label}/*.bin", **arguments), counting


def packed(cache):
    """The packed recordings; nothing unfinished may be beside them."""
    assert not list(cache.glob(".packing-*"))
    return sorted(path.relative_to(cache).as_posix() for path in cache.glob("*/*"))
