"""What the readers of ``.nir`` files share: run_snntorch.py and run_norse.py."""

import argparse
import json
from pathlib import Path

import nir
import numpy as np
import torch


def to_nir_order(images):
    """(..., height, width, channels), Keras' order, as (..., channels, height, width)."""
    return np.moveaxis(images, -1, -3) if images.ndim == 5 else images


def outputs(load, path, spikes):
    """Output (batch, time, ...) for spikes (batch, time, ...), both in Keras' order."""
    samples = torch.from_numpy(np.ascontiguousarray(to_nir_order(spikes)))
    results = []
    for sample in samples:  # one at a time: a Flatten of NIR would flatten the batch as well
        step = load(nir.read(path))
        results.append(torch.stack([step(frame) for frame in sample]))
    found = torch.stack(results).numpy()
    return np.moveaxis(found, 2, -1) if found.ndim == 5 else found


def compare(load, path):
    """What the network of one file did, or the error with which the reader refuses it."""
    data = np.load(path.with_suffix(".npz"))
    try:
        found = outputs(load, path, data["spikes"])
    except Exception as error:  # the reader's own: of any class
        return {"error": f"{type(error).__name__}: {error}"}
    expected = data["expected"]
    if found.shape != expected.shape:
        return {"error": f"output shape {found.shape}, expected {expected.shape}"}
    return {
        "differing": int(np.count_nonzero(found != expected)),
        "first": np.argwhere(found != expected)[:1].tolist(),
        "spikes": int(found.sum()),
        "of": found.size,
    }


def main(description, load):
    """Compares every FOLDER/NAME.nir with its FOLDER/NAME.npz.

    Args:
        load: function of a nir.NIRGraph that returns a function of one step's spikes, which
            returns the output of that step. Each call of ``load`` starts from rest.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with pairs of NAME.nir and NAME.npz")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    with torch.no_grad():
        results = {path.stem: compare(load, path) for path in sorted(folder.glob("*.nir"))}
    print(json.dumps(results))
