"""The recurrent Braille network of the NIR paper, in a file that snnTorch wrote and Norse ships.

Norse and spikingjelly leave the bias of a loop out of the first step (their executor starts with
0 in place of what the loop's weights make of no spike); snnTorch has it there, as here. With that
bias in front of the neurons no spike differs in any tool.
"""

import numpy as np
import pytest

from keras_slayer.export import from_nir

TOOLS = {
    "snntorch_subtract": {"tool": "snntorch", "reset": "subtract"},
    "snntorch_late": {"tool": "snntorch", "reset": "late"},
    "norse": {"tool": "norse", "dt": 1e-4},
    "spikingjelly": {"tool": "spikingjelly"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run_peer):
    folder = tmp_path_factory.mktemp("braille")
    assert run_peer("nir", "run_braille.py", folder) == {"nodes": 7}
    return folder


@pytest.mark.parametrize("tool", TOOLS)
def test_braille_reading(tool, folder):
    for name in ("braille", "at_once"):
        data = np.load(folder / f"{name}.npz")
        found = np.asarray(from_nir(folder / f"{name}.nir", **TOOLS[tool])(data["spikes"]))
        assert 0.1 < found.mean() < 0.9
        differing = np.count_nonzero(found != data[tool])
        if name == "braille" and not tool.startswith("snntorch"):
            assert 0 < differing < 0.1 * found.size
        else:
            assert differing == 0
