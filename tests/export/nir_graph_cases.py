"""Small NIR graphs, and their comparison with a run in NumPy."""

import itertools

import nir
import nir_oracle
import numpy as np

from keras_slayer.export import from_nir

DT = 1e-4
RNG = np.random.default_rng


def full(shape, value):
    return np.full(shape, value, np.float32)


def lif(*shape, tau=8, gain=1.0, threshold=1.0, leak=0.0, reset=0.0):
    """A LIF node with tau in steps and this gain per input."""
    values = {"tau": tau * DT, "r": gain * tau, "v_leak": leak, "v_threshold": threshold}
    return nir.LIF(**{k: full(shape, v) for k, v in values.items()}, v_reset=full(shape, reset))


def cuba(*shape, syn=4, mem=8, threshold=1.5, **others):
    values = {"tau_syn": syn * DT, "tau_mem": mem * DT, "r": mem, "w_in": syn, "v_leak": 0}
    values |= {"v_threshold": threshold, "v_reset": 0, **others}
    return nir.CubaLIF(**{k: full(shape, v) for k, v in values.items()})


def weights(*shape, seed=0):
    """Multiples of 1/64, so that sums are exact; mean above 0."""
    fan_in = np.prod(shape[1:])
    return (np.round(64 * RNG(seed).normal(0.6, 1.5, shape) / fan_in**0.5) / 64).astype(np.float32)


def linear(out, inputs, seed=0):
    return nir.Linear(weights(out, inputs, seed=seed))


def conv2d(filters, channels, window, image, stride=1, padding=0, dilation=1, groups=1, bias=0.0):
    weight = weights(filters, channels // groups, *window)
    bias = full(filters, bias)
    return nir.Conv2d(tuple(image), weight, stride, padding, dilation, groups, bias)


def conv1d(filters, channels, window, length, stride=1, padding=0, dilation=1, groups=1):
    weight = weights(filters, channels // groups, window)
    return nir.Conv1d(length, weight, stride, padding, dilation, groups, full(filters, 0.25))


def chain(shape, *nodes):
    """Its types are not checked: nir takes the height of a window for its width as well."""
    nodes = [nir.Input(np.array(shape)), *nodes, nir.Output(np.array([1]))]
    names = [f"n{i}" for i in range(len(nodes))]
    edges = list(itertools.pairwise(names))
    return nir.NIRGraph(dict(zip(names, nodes, strict=True)), edges, type_check=False)


def spikes(shape, steps=25, batch=2, rate=0.4, seed=3):
    """In Keras' order, of a shape in NIR's."""
    shape = (*shape[1:], shape[0]) if len(shape) > 1 else shape
    return (RNG(seed).random((batch, steps, *shape)) < rate).astype(np.float32)


def assert_equal(graph, shape, *, exact=True, lively=True, options=None, **how):
    model = from_nir(graph, **how)
    x = spikes(shape)
    expected = nir_oracle.run(graph, x, **(options or {}))
    found = np.asarray(model(x))
    if lively:
        assert 0.02 < np.mean(expected != 0) < 0.98
    if exact:
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    return model


def kinds(model):
    return [type(layer).__name__ for layer in model.layers[1:]]


IMAGE = (2, 7, 9)
DENSE = {
    "lif": lif(6),
    "lif_gain": lif(6, gain=0.4),
    "lif_leak_and_reset": lif(6, leak=0.25, reset=0.25),
    "lif_leak": lif(6, leak=0.5),
    "if": nir.IF(full(6, 1 / DT), full(6, 2.0)),
    "if_reset": nir.IF(full(6, 1 / DT), full(6, 1.0), full(6, -1.0)),
    "cuba": cuba(6),
    "cuba_at_once": cuba(6, syn=1, mem=1, threshold=0.5),
    "threshold": nir.Threshold(full(6, 0.5)),
    "spread": lif(6, threshold=np.linspace(0.53, 1.97, 6)),
    "spread_of_r": cuba(6, w_in=np.linspace(1, 6, 6)),
    "spread_of_if": nir.IF(np.linspace(0.53, 1.97, 6) / DT, np.linspace(1.07, 2.9, 6)),
    "spread_of_threshold": nir.Threshold(np.linspace(0.23, 1, 6)),
}
