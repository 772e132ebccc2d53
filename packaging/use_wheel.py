"""What ``try_wheels.py`` runs in an environment that has the wheel and no compiler.

``train``: trains, exports, simulates. ``refuse``: hides the ops for this TensorFlow, puts another
TensorFlow's under their name, and says what is used. Prints JSON.
"""

import json
import pathlib
import re
import shutil
import sys
import tempfile
import warnings

import keras
import numpy as np
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.ops import library, record


def train() -> dict:
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    rates = 0.3 * random.random((3, 100)) ** 2
    labels = random.integers(0, 3, 200)
    x = (random.random((200, 50, 100)) < rates[labels, None]).astype("uint8")
    dense = [ks.SpikingDense(64, neuron="loihi"), ks.SpikingDense(3, neuron="loihi")]
    model = keras.Sequential([keras.Input((50, 100), dtype="uint8"), *dense])
    model.compile("adam", loss=ks.SpikeMaxLoss(), metrics=[ks.SpikeCountAccuracy()])
    history = model.fit(x, labels, epochs=5, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        model.export_loihi(f"{folder}/network.net")
        simulated = ks.export.LoihiSimulator(f"{folder}/network.net").run(x[:4])
        # The decoders read what was written.
        fields = {"x": [1, 2, 3], "y": [0, 1, 2], "t": [0, 5, 9], "polarity": [0, 1, 1]}
        events = ks.events.Events(**fields, sensor_shape=(8, 8))
        ks.events.write_events(f"{folder}/events.raw", events)
        assert ks.events.read_events(f"{folder}/events.raw") == events
    assert (simulated == model.predict(x[:4], verbose=0)).all() and simulated.sum() > 0
    losses = history.history["loss"]
    assert losses[-1] < 0.9 * losses[0], losses
    return {"losses": losses}


def refuse() -> dict:
    """Only files are moved: the libraries of other TensorFlows, all intact, must stay unused."""
    own = library.packaged_library()
    others = [path for path in own.parent.glob("_native-tf*.so") if path != own]
    assert own.exists()
    for path in (own, record.path_of(own)):
        path.rename(path.with_name(f"hidden-{path.name}"))
    if others:  # a file that only its record tells from the right one
        shutil.copy(others[0], own)
        shutil.copy(record.path_of(others[0]), record.path_of(own))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ks.ops.backend()
    return {"warning": " ".join(str(w.message) for w in caught), "others": len(others)}


def main() -> None:
    compilers = ["g++", "gcc", "c++", "cc", "clang++", "clang"]
    assert not any(map(shutil.which, compilers)), "a compiler is on the PATH"
    found = {"train": train, "refuse": refuse}[sys.argv[1]]()
    path = ks.ops.library_path()
    package = pathlib.Path(ks.__file__).parent
    assert path is None or package in path.parents
    found |= {"tensorflow": tf.__version__, "keras": keras.__version__, "numpy": np.__version__}
    found |= {"backend": ks.ops.backend()}
    found |= {"library": path and re.match(r"_native-tf([\d.]+)-", path.name)[1]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
