"""``.net`` files that lava-dl's own blocks write: our simulator spikes as lava's runtime does."""

import numpy as np
import pytest

from keras_slayer.export import LoihiSimulator

NAMES = ("dense", "without_input", "weight_norm", "delays", "square_delays", "images")


@pytest.fixture(scope="module")
def written(run_peer, tmp_path_factory):
    """(folder, shapes of the inputs by name, what lava's runtime makes of the files)"""
    folder = tmp_path_factory.mktemp("written")
    shapes = run_peer("lava", "write_lava.py", folder)
    rng = np.random.default_rng(4)
    for name, shape in shapes.items():
        simulator = LoihiSimulator(folder / f"{name}.net")
        assert simulator.input_shape == tuple(shape)
        spikes = rng.random((3, 60, *shape)) < 0.3
        expected = simulator.run(spikes)
        np.savez(folder / f"{name}.npz", spikes=spikes.astype(np.uint8), expected=expected)
    return folder, shapes, run_peer("lava", "run_lava.py", folder)


@pytest.mark.parametrize("name", NAMES)
def test_files_of_lava_dl(name, written):
    _, _, results = written
    result = results[name]
    assert "error" not in result, result["error"]
    assert result["differing"] == [0, 0, 0], f"the first at [sample, step, ...] {result['first']}"
    assert 0.02 < result["spikes"] / result["of"] < 0.9


def test_all_that_was_written_is_tested(written):
    folder, shapes, _ = written
    assert set(shapes) == set(NAMES)
    for name in ("delays", "square_delays"):
        layers = LoihiSimulator(folder / f"{name}.net").network.layers
        assert any(len(np.unique(layer.delay)) > 3 for layer in layers if layer.delay is not None)
