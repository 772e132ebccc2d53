"""What is fuzzed: each reader, and what it may raise.

A reader takes the path of a file and random numbers for its options. It returns where the file is
read, raises ``Refused`` where it is refused as documented, and anything else is a finding.
"""

from __future__ import annotations

import contextlib
import pathlib
import random
import warnings

import numpy as np


class Refused(Exception):  # noqa: N818
    """The file was refused by an error that its documentation names."""


@contextlib.contextmanager
def documented(path: pathlib.Path):
    """ValueError with the name of the file, and warnings of what was left out."""
    from keras_slayer.events import EventFileWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", EventFileWarning)
        try:
            yield
        except ValueError as error:
            if str(path) not in str(error):
                raise
            raise Refused from error


def read_events(path: pathlib.Path, rng: random.Random) -> None:
    from keras_slayer import events
    from keras_slayer.events.files.joining import join

    options = {"damaged": rng.choice(("error", "skip")), "ordered": rng.random() < 0.2}
    name = path.stem.partition("-of-")[2]  # corpus file that this is a damaged copy of
    if name in FORMATS and rng.random() < 0.8:
        options["format"] = FORMATS[name]
        if options["format"] in ("csv", "hdf5", "npz", "npy") and rng.random() < 0.5:
            options["time_unit"] = rng.choice(("s", "ms", "us", "ns"))
    if rng.random() < 0.3:
        options["sensor_shape"] = rng.choice(((100, 200), (100, 200, 2), (70_000,)))
    chunk = rng.choice((None, 7, 1000))
    with documented(path):
        found = events.read_events(path, chunk=chunk, **options)
        found = join(list(found)) if chunk else found
    sizes = {len(getattr(found, field)) for field in ("x", "y", "t", "polarity")}
    assert sizes == {len(found)}, f"columns of {sizes} events"
    limits = options.get("sensor_shape") or found.sensor_shape
    if limits is not None and len(limits) > 1 and len(found):
        assert found.x.max() < limits[1] and found.y.max() < limits[0], "an event off the sensor"


def read_net(path: pathlib.Path, rng: random.Random) -> None:
    from keras_slayer.export import LoihiSimulator, from_net, read_net

    with documented(path):
        network = read_net(path)
        if rng.random() < 0.2 and np.prod(network.input_shape) < 500:
            from_net(path)
            return
        simulator = LoihiSimulator(path, threads=2)
    _run(simulator, rng)


def read_nir(path: pathlib.Path, rng: random.Random) -> None:
    from keras_slayer.export import LoihiSimulator, from_nir

    with documented(path):
        if rng.random() < 0.6:
            from_nir(path, tool=rng.choice((None, "nir", "snntorch", "norse", "rockpool")))
            return
        simulator = LoihiSimulator(path, threads=2)
    _run(simulator, rng)


def _run(simulator, rng: random.Random) -> None:
    """Three steps of noise, where the network is small."""
    shapes = simulator.input_shape
    shapes = shapes if isinstance(shapes, list) else [shapes]
    if sum(int(np.prod(shape)) for shape in shapes) > 10_000:
        return
    noise = np.random.default_rng(rng.randrange(1 << 32))
    spikes = [(noise.random((1, 3, *shape)) < 0.5).astype(np.float32) for shape in shapes]
    simulator.run(spikes if len(spikes) > 1 else spikes[0])


FORMATS = {
    **{name: name for name in ("bin", "bs1", "bs2", "bs3", "aedat2", "aedat3", "aedat4", "dat")},
    **{name: name for name in ("evt2", "evt21", "evt21-legacy", "evt3", "hdf5", "npz", "npy")},
    **{"csv": "csv", "es": "es", "prophesee": "hdf5", "dsec": "hdf5"},
}
READERS = {"events": read_events, "net": read_net, "nir": read_nir}
