"""The fuzzers led by coverage: inputs that reach new lines of the readers are mutated further.

    pip install atheris
    python tests/fuzz/fuzz_guided.py events out/fuzz/guided -max_total_time=600

The first argument is the kind (events, net, nir), the second a folder for inputs that were found;
what follows goes to libFuzzer. Python's lines are followed, those of the compiled decoders and of
HDF5 are not. A finding ends the run, with its traceback and its input in the file crash-*.
"""

from __future__ import annotations

import contextlib
import pathlib
import random
import sys
import tempfile

import atheris

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

# TensorFlow and Keras first, so that only the readers are instrumented.
import h5py  # noqa: E402, F401
import keras  # noqa: E402, F401

with atheris.instrument_imports(include=["keras_slayer.events", "keras_slayer.export"]):
    import keras_slayer.events
    import keras_slayer.export  # noqa: F401

import fuzz_changes  # noqa: E402
import fuzz_readers  # noqa: E402
import fuzz_worker  # noqa: E402


def main() -> None:
    kind, found, *options = sys.argv[1:]
    files = fuzz_worker.corpus((kind,))
    names = sorted(path.name for _, path, _ in files)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="guided-"))
    # The first byte says which file of the corpus it is a damaged copy of.
    seeds = folder / "seeds"
    seeds.mkdir()
    for _, path, data in files:
        (seeds / path.name).write_bytes(bytes([names.index(path.name)]) + data)
    pathlib.Path(found).mkdir(parents=True, exist_ok=True)

    def one(data: bytes) -> None:
        name = names[data[0] % len(names)] if data else names[0]
        path = folder / f"damaged-of-{name}"
        path.write_bytes(data[1:])
        with contextlib.suppress(fuzz_readers.Refused):
            fuzz_readers.READERS[kind](path, random.Random(len(data)))

    def changed(data: bytes, most: int, seed: int) -> bytes:
        """libFuzzer's own changes, or ours, which know HDF5 and archives."""
        rng = random.Random(seed)
        if rng.random() < 0.5:
            return atheris.Mutate(data, most)
        others = [data for _, _, data in files]
        return (data[:1] + fuzz_changes.mutated(rng, data[1:], others))[:most]

    arguments = [sys.argv[0], *options, f"-max_len={fuzz_changes.MOST_BYTES}", found, str(seeds)]
    atheris.Setup(arguments, one, custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
