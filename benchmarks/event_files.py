"""Events per second of `read_events`, one core, beside other readers where they are installed.

    python benchmarks/event_files.py
    pip install evt3 expelliarmus faery    # the other readers

The file is in the page cache; all readers give arrays of x, y, time and polarity. The events lie at
random on 1280 x 720 pixels, three in a microsecond: EVT 3.0 then takes 2.3 words per event, and has
no vectors.
"""

import importlib
import importlib.util
import pathlib
import tempfile

import common
import numpy as np

from keras_slayer.events import Events, read_events, write_events

SENSOR = (720, 1280)
FORMATS = {
    "evt3": ".raw",
    "evt2": ".raw",
    "dat": ".dat",
    "es": ".es",
    "aedat3": ".aedat",
    "bin": ".bin",
    "hdf5": ".h5",
    "npy": ".npy",
    "csv": ".csv",
}
SLOW = {"hdf5": 10, "csv": 100}  # so many times fewer events


def recording(size: int, name: str) -> Events:
    """Random events in order; within the limits of the format."""
    random = np.random.default_rng(0)
    height, width = (200, 200) if name == "bin" else SENSOR
    t = np.cumsum(random.random(size) < 1 / 3)
    return Events(
        x=random.integers(0, width, size),
        y=random.integers(0, height, size),
        t=t,
        polarity=random.integers(0, 2, size),
        sensor_shape=(height, width),
    )


def by_evt3(path, name):
    return len(importlib.import_module("evt3").decode_file(str(path)).x)


def by_expelliarmus(path, name):
    wizard = importlib.import_module("expelliarmus").Wizard(encoding=name, fpath=path)
    return len(wizard.read())


def by_faery(path, name):
    return len(importlib.import_module("faery").events_stream_from_file(path).to_array())


OTHERS = {
    "evt3": (by_evt3, ("evt3",)),
    "expelliarmus": (by_expelliarmus, ("evt3", "evt2", "dat")),
    "faery": (by_faery, ("evt3", "evt2", "dat", "es")),
}


def prepare(read, path, name, size):
    """Every step reads the whole file; afterwards it is checked that it has all events."""
    return common.Work(lambda: read(path, name), lambda: _check(read(path, name), size))


def _check(found: int, size: int) -> dict:
    if found != size:
        raise SystemExit(f"{found} events were read. The file has {size}.")
    return {}


def whole(path, name):
    return len(read_events(path))


def in_chunks(path, name):
    return sum(len(part) for part in read_events(path, chunk=100_000))


def candidates(path: pathlib.Path, name: str, size: int) -> list[common.Candidate]:
    readers = {"read_events": whole, "read_events, chunk=100_000": in_chunks}
    for package, (read, names) in OTHERS.items():
        if name in names and importlib.util.find_spec(package):
            readers[package] = read
    return [
        common.Candidate(label, prepare, {"read": read, "path": path, "name": name, "size": size})
        for label, read in readers.items()
    ]


def main():
    parser = common.parser(__doc__, repeats=11)
    parser.add_argument("--events", type=int, default=4_000_000, help="in a file (%(default)s)")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    arguments = parser.parse_args()
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)
    for name in arguments.formats:
        size = arguments.events // SLOW.get(name, 1)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, f"camera{FORMATS[name]}")
            write_events(path, recording(size, name), format=name)
            bytes_per_event = path.stat().st_size / size
            results = common.measure(
                candidates(path, name, size),
                repeats=arguments.repeats,
                threads=arguments.threads,
                separate=False,
                warmup=1,
            )
        common.print_results(
            f"{name}: {size:,} events, {bytes_per_event:.1f} bytes each",
            results,
            {"million events/s": lambda r, size=size: f"{size / r.median / 1e6:.1f}"},
        )


if __name__ == "__main__":
    main()
