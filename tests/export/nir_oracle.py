"""Runs NIR graphs in NumPy, in NIR's order of axes: by Euler steps, in float32 as the tools do."""

import nir
import numpy as np
from nir_runner import FIRES, windows

F = np.float32


def to_nir(x):
    """Keras' order of axes as NIR's."""
    return np.moveaxis(x, -1, 2) if x.ndim > 3 else x


def to_keras(x):
    return np.moveaxis(x, 2, -1) if x.ndim > 3 else x


def pair(value):
    return tuple(np.broadcast_to(np.ravel(value), 2).tolist())


def geometry(node, x, span):
    """Padding of both axes."""
    if isinstance(node.padding, str):
        total = [s - 1 if node.padding == "same" else 0 for s in span]
        return [(t // 2, t - t // 2) for t in total]
    return [(p, p) for p in pair(node.padding)]


def conv(node, x):
    one_axis = isinstance(node, nir.Conv1d)
    weight = np.asarray(node.weight, F)
    if one_axis:
        x, weight = x[:, :, None], weight[:, :, None]
    with_axis = (lambda v, new: (new, int(v))) if one_axis else (lambda v, new: pair(v))
    stride, dilation = with_axis(node.stride, 1), with_axis(node.dilation, 1)
    span = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if one_axis and not isinstance(node.padding, str):
        pad = [(0, 0), (int(node.padding),) * 2]
    else:
        pad = geometry(node, x, span)
    x = np.pad(x, [(0, 0), (0, 0), *pad])
    groups, share = int(node.groups), weight.shape[1]
    per = len(weight) // groups
    parts = []
    for g in range(groups):
        part = x[:, g * share : (g + 1) * share]
        kernel = weight[g * per : (g + 1) * per]
        parts.append(
            sum(
                np.einsum("bchw,oc->bohw", view, kernel[:, :, *tap])
                for tap, view in windows(part, weight.shape[2:], stride, dilation)
            )
        )
    y = np.concatenate(parts, 1) + np.asarray(node.bias, F)[:, None, None]
    return y[:, :, 0] if one_axis else y


def pool(node, x):
    pad = [(p, p) for p in pair(node.padding)]
    x = np.pad(x, [(0, 0), (0, 0), *pad])
    size = pair(node.kernel_size)
    total = sum(view for _, view in windows(x, size, pair(node.stride)))
    return total / F(np.prod(size)) if isinstance(node, nir.AvgPool2d) else total


class Stateful:
    """One node with a state. Euler steps of dt seconds."""

    def __init__(self, node, dt, fires="above", reset="zero"):
        self.node, self.dt, self.fires, self.reset = node, dt, FIRES[fires], reset
        self.i = F(0)
        self.v = np.asarray(getattr(node, "v_reset", 0), F)
        self.past = []

    def rate(self, name):
        return (self.dt / np.asarray(getattr(self.node, name), np.float64)).astype(F)

    def __call__(self, x):
        node, r = self.node, None
        if isinstance(node, nir.Delay):
            return self.late(x)
        if hasattr(node, "r"):
            r = np.asarray(node.r, np.float64)
        if isinstance(node, nir.CubaLIF | nir.CubaLI):
            into = F(1) * (np.asarray(node.w_in) * self.dt / node.tau_syn).astype(F)
            self.i = (F(1) - self.rate("tau_syn")) * self.i + into * x
            x = self.i
        if isinstance(node, nir.IF | nir.I):
            v = self.v + (r * self.dt).astype(F) * x
        else:
            decay = self.rate("tau_mem" if hasattr(node, "tau_mem") else "tau")
            gain = (r * decay).astype(F)
            v = self.v + decay * (np.asarray(node.v_leak, F) - self.v) + gain * x
        if not hasattr(node, "v_threshold"):
            self.v = v
            return v
        spikes = self.fires(v, np.asarray(node.v_threshold, F))
        if self.reset == "subtract":
            self.v = v - spikes * np.asarray(node.v_threshold, F)
        else:
            self.v = np.where(spikes, np.asarray(node.v_reset, F), v)
        return spikes.astype(F)

    def late(self, x):
        self.past.append(x)
        steps = np.broadcast_to(np.round(self.node.delay / self.dt).astype(int), x.shape[1:])
        now = len(self.past) - 1
        out = np.zeros_like(x)
        for index in np.ndindex(*x.shape[1:]):
            if now >= steps[index]:
                out[:, *index] = self.past[now - steps[index]][:, *index]
        return out


def stateless(node, x):
    if isinstance(node, nir.Linear | nir.Affine):
        return x @ np.asarray(node.weight, F).T + np.asarray(getattr(node, "bias", 0), F)
    if isinstance(node, nir.Conv1d | nir.Conv2d):
        return conv(node, x)
    if isinstance(node, nir.SumPool2d | nir.AvgPool2d):
        return pool(node, x)
    if isinstance(node, nir.Flatten):
        shape = list(x.shape[1:])
        first, last = (d % len(shape) for d in (node.start_dim, node.end_dim))
        return x.reshape(len(x), *shape[:first], -1, *shape[last + 1 :])
    if isinstance(node, nir.Scale):
        return x * np.asarray(node.scale, F)
    if isinstance(node, nir.Threshold):
        return (x > np.asarray(node.threshold, F)).astype(F)
    assert isinstance(node, nir.Input | nir.Output), node
    return x


def order(graph):
    names, left = [], list(graph.nodes)
    while left:
        name = next(n for n in left if all(a in names for a, b in graph.edges if b == n))
        names.append(name)
        left.remove(name)
    return names


def run(graph, inputs, dt=1e-4, **options):
    """Outputs by name for inputs by name, or one output for one input, in Keras' order."""
    single = not isinstance(inputs, dict)
    if single:
        (name,) = graph.inputs
        inputs = {name: inputs}
    series = {name: to_nir(np.asarray(x, F)) for name, x in inputs.items()}
    steps = len(next(iter(series.values()))[0])
    cells = {
        name: Stateful(node, dt, **options)
        for name, node in graph.nodes.items()
        if hasattr(node, "r") or isinstance(node, nir.Delay)
    }
    outputs = {name: [] for name in graph.outputs}
    names = order(graph)
    for t in range(steps):
        values = {}
        for name in names:
            given = [values[a] for a, b in graph.edges if b == name]
            x = series[name][:, t] if name in series else sum(given[1:], given[0])
            values[name] = cells[name](x) if name in cells else stateless(graph.nodes[name], x)
        for name in outputs:
            outputs[name].append(values[name])
    found = {name: to_keras(np.stack(rows, 1)) for name, rows in outputs.items()}
    return next(iter(found.values())) if single and len(found) == 1 else found
