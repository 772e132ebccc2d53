"""Runs .nir graphs with recurrent connections: what comes around arrives one step later."""

import nir
import numpy as np
from nir_oracle import F, Stateful, stateless, to_keras, to_nir


def run(graph, inputs, dt=1e-4):
    """Outputs by position, (batch, time, ...) in Keras' order, for inputs by position."""
    integers = graph.metadata["nodes"]
    series = {
        name: to_nir(np.asarray(inputs[int(integers[name]["position"])], F))
        for name, node in graph.nodes.items()
        if isinstance(node, nir.Input)
    }
    cells = {
        name: Stateful(node, dt)
        for name, node in graph.nodes.items()
        if isinstance(node, nir.CubaLIF | nir.Delay)
    }
    sources = {name: [a for a, b in graph.edges if b == name] for name in graph.nodes}
    batch, steps = next(iter(series.values())).shape[:2]
    before = {
        name: np.zeros((batch, *node.v_threshold.shape), F)
        for name, node in graph.nodes.items()
        if isinstance(node, nir.CubaLIF)
    }
    # Without metadata are those that nir adds for what leads nowhere.
    outputs = {
        name: []
        for name, node in graph.nodes.items()
        if isinstance(node, nir.Output) and name in integers
    }

    def value(name, t, values, pending=frozenset()):
        """What a node sends in step t; a node that waits for itself gets what it sent before."""
        if name in pending:
            return before[name]
        if name not in values:
            given = [value(source, t, values, pending | {name}) for source in sources[name]]
            x = series[name][:, t] if name in series else sum(given[1:], given[0])
            node = graph.nodes[name]
            values[name] = cells[name](x) if name in cells else stateless(node, x)
        return values[name]

    for t in range(steps):
        values = {}
        for name, rows in outputs.items():
            rows.append(value(name, t, values))
        before.update({name: values[name] for name in before if name in values})
    found = sorted(outputs, key=lambda name: integers[name]["position"])
    return [to_keras(np.stack(outputs[name], 1)) for name in found]
