"""Runs .nir graphs node by node, as their readers do."""

import io

import nir
import numpy as np

from keras_slayer.export.formats import nir as writer

DT = 1e-4


def read(network):
    return nir.read(io.BytesIO(writer.to_bytes(network)))


def in_order(graph):
    """The nodes of a chain, from the input on."""
    following = dict(graph.edges)
    names = ["input"]
    while names[-1] in following:
        names.append(following[names[-1]])
    assert len(names) == len(graph.nodes)
    return [graph.nodes[name] for name in names]


def windows(x, size, stride, dilation=(1, 1)):
    """(tap, view of x) for each tap of a window that moves over the last two axes."""
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    outputs = [(n - s) // t + 1 for n, s, t in zip(x.shape[-2:], spans, stride, strict=True)]
    for tap in np.ndindex(*size):
        starts = [t * d for t, d in zip(tap, dilation, strict=True)]
        axes = zip(starts, outputs, stride, strict=True)
        yield tap, x[(..., *(slice(a, a + (n - 1) * t + 1, t) for a, n, t in axes))]


def linear(node, x):
    """What a node without state does to x (batch, ...)."""
    if isinstance(node, nir.Linear):
        return x @ node.weight.T
    if isinstance(node, nir.Flatten):
        return x.reshape(len(x), -1)
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in node.padding)])
    if isinstance(node, nir.SumPool2d):
        return sum(view for _, view in windows(padded, node.kernel_size, node.stride))
    assert isinstance(node, nir.Conv2d)
    assert node.groups == 1
    size = node.weight.shape[2:]
    return node.bias[:, None, None] + sum(
        np.einsum("bchw,oc->bohw", view, node.weight[:, :, *tap])
        for tap, view in windows(padded, size, node.stride, node.dilation)
    )


FIRES = {"above": np.greater, "at": np.greater_equal}
"""Readers spike above the threshold (snnTorch, Norse), or at it as well (spikingjelly)."""


class Neurons:
    """CubaLIF by forward Euler in float32, arranged as snnTorch has it."""

    def __init__(self, node, fires="above"):
        self.fires = FIRES[fires]
        assert not node.v_leak.any()
        assert not node.v_reset.any()
        for gain, tau in ((node.w_in, node.tau_syn), (node.r, node.tau_mem)):
            np.testing.assert_allclose(gain * DT / tau, 1, rtol=1e-6)
        self.keep_i = np.float32(1 - DT / node.tau_syn)
        self.keep_v = np.float32(1 - DT / node.tau_mem)
        self.threshold = np.float32(node.v_threshold)
        self.i = self.v = np.float32(0)

    def __call__(self, z):
        self.i = self.keep_i * self.i + z.astype(np.float32)
        v = self.keep_v * self.v + self.i
        spikes = self.fires(v, self.threshold)
        self.v = np.where(spikes, np.float32(0), v)
        return spikes.astype(np.float32)


def to_nir(x):
    return np.moveaxis(x, -1, -3) if x.ndim >= 4 else x


def run(graph, spikes, fires="above"):
    """Output of a graph for spikes (batch, time, ...), both in Keras' order."""
    first, *nodes, last = in_order(graph)
    steps = [
        Neurons(node, fires)
        if isinstance(node, nir.CubaLIF)
        else lambda x, node=node: linear(node, x)
        for node in nodes
    ]
    outputs = []
    for x in to_nir(spikes).swapaxes(0, 1):
        assert x.shape[1:] == tuple(first.input_type["input"])
        for step in steps:
            x = step(x)
        outputs.append(x)
    assert x.shape[1:] == tuple(last.output_type["output"])
    found = np.stack(outputs, axis=1)
    return np.moveaxis(found, 2, -1) if found.ndim == 5 else found
