"""What the tests of the export share."""

import h5py
import pytest
from netx_cases import image_network
from random_networks import RandomNetworks

from keras_slayer.export.formats import netx


@pytest.fixture
def write_net(tmp_path):
    """write_net(network) -> path of a .net file."""
    numbers = iter(range(1000))

    def write(network):
        path = tmp_path / f"{next(numbers)}.net"
        netx.write(network, path)
        return path

    return write


@pytest.fixture
def random_networks():
    """random_networks(seed) -> a source of random networks and spikes."""
    return RandomNetworks


@pytest.fixture
def network():
    """Conv, pool with groups, flatten, dense with delay and bias, on an image of H != W."""
    return image_network()


@pytest.fixture
def write_layers(tmp_path):
    """write_layers({"type": ..., data set: value, ...}, ...) -> path of a file of such layers."""

    def write(*layers):
        path = tmp_path / "layers.net"
        with h5py.File(path, "w") as file:
            for i, layer in enumerate(layers):
                for name, value in layer.items():
                    file[f"layer/{i}/{name}"] = value
        return path

    return write
