"""Graphs in the shape of the NIR paper's files, rebuilt: packages have its Braille network alone.

A LIF neuron, and the spiking CNN on N-MNIST as sinabs wrote it (Conv2d, IF, SumPool2d, Affine);
Pedersen et al., "Neuromorphic intermediate representation", Nature Communications 15:8122 (2024).
"""

import nir
import nir_oracle
import numpy as np
from nir_graph_cases import chain, full, lif, spikes, weights

import keras_slayer as ks
from keras_slayer.export import from_nir


def balanced(*shape):
    """Multiples of 1/64 around 0, so that deep layers neither saturate nor fall silent."""
    drawn = weights(*shape)
    return (drawn - np.round(64 * drawn.mean()) / 64).astype(np.float32)


def neurons(*shape):
    return nir.IF(full(shape, 1.0), full(shape, 1.0))


def conv(filters, channels, image):
    weight = balanced(filters, channels, 5 if channels == 2 else 3, 5 if channels == 2 else 3)
    pad = np.array([1, 1])
    stride = np.array([2, 2]) if channels == 2 else np.array([1, 1])
    return nir.Conv2d(image, weight, stride, pad, np.array([1, 1]), 1, full(filters, 0.0))


def pool():
    return nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))


def test_the_spiking_cnn(tmp_path):
    nodes = (
        conv(16, 2, (34, 34)),
        neurons(16, 16, 16),
        conv(16, 16, (16, 16)),
        neurons(16, 16, 16),
        pool(),
        conv(8, 16, (8, 8)),
        neurons(8, 8, 8),
        pool(),
        nir.Flatten(np.array([8, 4, 4]), 0, -1),
        nir.Affine(balanced(256, 128), full(256, 0.0)),
        neurons(256),
        nir.Affine(balanced(10, 256), full(10, 0.0)),
        neurons(10),
    )
    graph = chain((2, 34, 34), *nodes)
    nir.write(tmp_path / "cnn.nir", graph)
    model = from_nir(tmp_path / "cnn.nir", tool="sinabs")
    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(ks.SpikingActivation) == 0
    x = spikes((2, 34, 34), steps=15, batch=1, rate=0.2)
    found = np.asarray(model(x))
    expected = nir_oracle.run(graph, x, dt=1.0, fires="at", reset="subtract")
    assert 0.05 < expected.mean() < 0.95
    np.testing.assert_array_equal(found, expected)


def test_the_lif_neuron(tmp_path):
    """By its own weight of 1, against the forward Euler steps."""
    node = lif(1, tau=25, gain=0.25, threshold=0.5)
    nir.write(tmp_path / "lif.nir", chain((1,), nir.Affine(full((1, 1), 1.0), full(1, 0.0)), node))
    x = spikes((1,), steps=60)
    found, v = np.asarray(from_nir(tmp_path / "lif.nir")(x)), 0.0
    for t in range(x.shape[1]):
        v = (1 - 1 / 25) * v + 0.25 * x[:, t]
        s = v > 0.5
        np.testing.assert_array_equal(found[:, t], s)
        v = np.where(s, 0, v)
    assert 0.05 < found.mean() < 0.5
