"""The constraint that gives each unit a channel of its own."""

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.constraints import OwnChannel


def test_keeps_each_unit_on_its_channel_of_the_flattened_image():
    """In training as well: no unit ever sees another channel."""
    model = keras.Sequential(
        [
            keras.Input((10, 2, 3, 4)),
            ks.Flatten(),
            ks.SpikingDense(
                4,
                kernel_initializer=keras.initializers.Constant(9.0),
                kernel_constraint=OwnChannel(),
            ),
        ]
    )
    spikes = (np.random.default_rng(0).random((8, 10, 2, 3, 4)) < 0.5).astype("float32")
    model.compile("adam", loss=ks.SpikeMaxLoss())
    model.fit(spikes, np.arange(8) % 4, epochs=2, verbose=0)
    kernel = model.get_weights()[0].reshape(2, 3, 4, 4)
    own = np.eye(4, dtype=bool)
    assert (kernel[..., own] != 0).all()
    assert (kernel[..., ~own] == 0).all()


def test_comes_back_from_a_saved_layer():
    layer = ks.SpikingDense(3, kernel_constraint=OwnChannel())
    again = ks.SpikingDense.from_config(layer.get_config())
    assert type(again.kernel_constraint) is OwnChannel


@pytest.mark.parametrize("shape", [(7, 3), (3, 3, 2, 4)])
def test_refuses_other_kernels(shape):
    with pytest.raises(ValueError, match=r"multiple of its units.*Received: .*\("):
        OwnChannel()(keras.ops.ones(shape))
