"""The event-driven convolution against plain dense ones, at every density and dtype."""

import cases
import numpy as np
import pytest
from product_cases import BACKENDS, check, densities, exactly_dense

from keras_slayer import ops
from keras_slayer.ops import selection


def conv_oracle(strides, padding, dilations):
    """Every output pixel as the product of its window with the weights, group by group."""

    def oracle(spikes, weights, upstream):
        batch, steps, *size, channels = spikes.shape
        taps, (group_channels, filters) = weights.shape[:2], weights.shape[2:]
        groups = channels // group_channels
        before, out_size = [0, 0], [0, 0]
        for i in range(2):
            reach = (taps[i] - 1) * dilations[i] + 1
            if padding == "same":
                out_size[i] = -(-size[i] // strides[i])
                before[i] = max((out_size[i] - 1) * strides[i] + reach - size[i], 0) // 2
            else:
                out_size[i] = (size[i] - reach) // strides[i] + 1
        out = np.zeros((batch, steps, *out_size, filters))
        dspikes, dweights = np.zeros_like(spikes), np.zeros_like(weights)
        for oy, ox, ky, kx in np.ndindex(*out_size, *taps):
            y = oy * strides[0] + ky * dilations[0] - before[0]
            x = ox * strides[1] + kx * dilations[1] - before[1]
            if not (0 <= y < size[0] and 0 <= x < size[1]):
                continue
            for g in range(groups):
                c = slice(g * group_channels, (g + 1) * group_channels)
                f = slice(g * filters // groups, (g + 1) * filters // groups)
                kernel, grad = weights[ky, kx, :, f], upstream[:, :, oy, ox, f]
                out[:, :, oy, ox, f] += spikes[:, :, y, x, c] @ kernel
                dspikes[:, :, y, x, c] += grad @ kernel.T
                dweights[ky, kx, :, f] += np.einsum("btc,btf->cf", spikes[:, :, y, x, c], grad)
        return out, dspikes, dweights

    return oracle


CONVS = {
    # frames (height, width, channels), weights, strides, dilations
    "square": ((8, 8, 2), (3, 3, 2, 6), (1, 1), (1, 1)),
    "asymmetric": ((7, 9, 2), (2, 5, 2, 3), (1, 1), (1, 1)),
    "one pixel": ((5, 4, 3), (1, 1, 3, 4), (1, 1), (1, 1)),
    "strides": ((9, 8, 2), (3, 3, 2, 4), (2, 2), (1, 1)),
    "uneven strides": ((9, 8, 2), (3, 4, 2, 4), (2, 3), (1, 1)),
    "strides down alone": ((9, 8, 2), (3, 3, 2, 4), (2, 1), (1, 1)),
    "dilations": ((9, 8, 2), (3, 3, 2, 4), (1, 1), (2, 2)),
    "dilations down alone": ((9, 8, 2), (3, 3, 2, 4), (1, 1), (2, 1)),
    "uneven dilations": ((9, 9, 2), (3, 2, 2, 4), (1, 1), (2, 3)),
    "groups": ((7, 7, 4), (3, 3, 2, 6), (1, 1), (1, 1)),
    "depthwise": ((8, 6, 3), (2, 2, 1, 3), (2, 2), (1, 1)),
    "dilated groups": ((8, 7, 4), (2, 3, 1, 8), (1, 1), (2, 2)),
    "depthwise, columns of one pixel": ((5, 3, 2), (3, 3, 1, 4), (1, 2), (1, 1)),
    "many filters": ((6, 6, 2), (3, 3, 2, 70), (1, 1), (1, 1)),
    "more weights than the first cache holds": ((7, 6, 5), (5, 4, 5, 90), (1, 1), (1, 1)),
    "so many weights, strides down alone": ((7, 6, 5), (5, 4, 5, 90), (2, 1), (1, 1)),
    "kernel as wide as the frame": ((3, 5, 2), (3, 5, 2, 2), (1, 1), (1, 1)),
}


def check_conv(name, dtype, geometry, padding, density, leading=(2, 3)):
    frame, weights_shape, strides, dilations = CONVS[geometry]
    rng = np.random.default_rng(7)
    spikes = exactly_dense(rng, (*leading, *frame), density)

    def function(spikes, weights):
        return ops.spike_conv2d(
            spikes, weights, strides=strides, padding=padding, dilations=dilations
        )

    oracle = conv_oracle(strides, padding, dilations)
    check(name, dtype, function, oracle, spikes, rng.normal(size=weights_shape))


@BACKENDS
@pytest.mark.parametrize("density", [0.05, 0.5])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("geometry", CONVS)
def test_conv2d_geometries(name, geometry, padding, density):
    check_conv(name, "float32", geometry, padding, density)


@pytest.mark.parametrize("density", densities(selection.conv2d_max_density((2, 5, 2, 3))))
def test_conv2d_at_every_density(density):
    check_conv("native", "float32", "asymmetric", "same", density)


@BACKENDS
@pytest.mark.parametrize("dtype", cases.DTYPES[1:])
@pytest.mark.parametrize("density", [0.05, 0.5])
@pytest.mark.parametrize("geometry", ["asymmetric", "groups"])
def test_conv2d_dtypes(name, geometry, dtype, density):
    check_conv(name, dtype, geometry, "same", density)


@pytest.mark.parametrize("leading", [(0, 3), (1, 1), (2, 20)], ids=str)
def test_conv2d_leading_sizes(leading):
    """No frame, one frame, and more frames than the weight gradient has chunks."""
    check_conv("native", "float32", "asymmetric", "same", 0.1, leading)
