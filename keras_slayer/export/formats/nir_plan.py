"""What becomes of each node: the layers to make, once it is known that all of them can be made."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from keras_slayer.export.formats import nir_layers as make
from keras_slayer.export.formats import nir_shapes as shapes
from keras_slayer.export.formats.nir_graph import (
    INTEGRATORS,
    NEURONS,
    SYNAPSES,
    Graph,
    Node,
)
from keras_slayer.export.formats.nir_neurons import MS, Cell, Reading, integrating, spiking
from keras_slayer.export.formats.nir_shapes import MEND, MisfitError
from keras_slayer.export.formats.nir_signal import Signal
from keras_slayer.export.problems import Problem
from keras_slayer.neurons import CUBA

WHOLE = 1e-4
"""A delay this close to a whole number of steps is one."""

MAX_MADE = 1 << 22
"""Most numbers of a layer that the graph does not hold: the taps of a pool, the delays that one
stands for."""

_INTEGRATOR = CUBA(threshold=1.0, current_decay=1.0, voltage_decay=1.0)


@dataclasses.dataclass
class Plan:
    """Steps from the input of each node to its output, and all that is wrong."""

    steps: dict[str, list[make.Step]]
    signals: dict[str, Signal]
    problems: list[Problem]


def plan(graph: Graph, reading: Reading) -> Plan:
    """How to make the layers of ``graph``. Nothing is allocated for them."""
    planner = _Planner(graph, reading)
    for node in graph.nodes.values():
        planner.add(node)
    return Plan(planner.steps, planner.signals, planner.problems)


class _Planner:
    def __init__(self, graph: Graph, reading: Reading):
        self.graph, self.reading = graph, reading
        self.names = make.Names()
        self.steps: dict[str, list[make.Step]] = {}
        self.signals: dict[str, Signal] = {}
        self.synapses: dict[str, make.Synapse] = {}  # left to the neurons that they feed
        self.problems: list[Problem] = []

    def add(self, node: Node) -> None:
        """Plans one node; without its signal, the nodes after it are not looked at."""
        try:
            given = None if node.type == "Input" else self._given(node)
            if not node.complete or (given is None and node.type != "Input"):
                return  # what is wrong has been said
            self.signals[node.name], self.steps[node.name] = self._plan(node, given)
        except MisfitError as misfit:
            self.problems.append(node.problem(*misfit.args))

    def _given(self, node: Node) -> Signal | None:
        """The sum of what feeds a node; None if that is not known."""
        sources = self.graph.sources.get(node.name, [])
        signals = [self.signals.get(source) for source in sources]
        if not signals or None in signals:
            return None
        if len(set(signals)) > 1:
            found = ", ".join(f"{n} {s.shape}" for n, s in zip(sources, signals, strict=True))
            raise MisfitError(f"it sums {found}", "summands of one shape", MEND)
        return signals[0]

    def _plan(self, node: Node, given: Signal | None) -> tuple[Signal, list[make.Step]]:
        if node.type == "Input":
            return Signal(self._input_shape(node)), []
        if node.type in ("Output", "Identity"):
            return given, []
        if node.type in SYNAPSES:
            return self._synapse(node, given)
        if node.type in NEURONS:
            return given, self._spiking(node, given)
        if node.type in INTEGRATORS:
            return given, self._integrating(node, given)
        if node.type == "Flatten":
            return self._flatten(node, given)
        value = _per_neuron(node, "scale" if node.type == "Scale" else "delay", given)
        name = self.names(node.name)
        if node.type == "Scale":
            return given, [make.scaled(name, given, value)]
        _check_made(given.size)
        return given, [make.delayed(name, given, self._delays(value), self.reading.dt * MS)]

    def _input_shape(self, node: Node) -> tuple[int, ...]:
        """Without the axis of samples that Norse and Rockpool write: (1, neurons)."""
        shape = shapes.shape_of(node.values["shape"], "shape")
        ranks = {"Affine": 1, "Linear": 1, "Conv1d": 2, "Conv2d": 3, "SumPool2d": 3, "AvgPool2d": 3}
        fed = [self.graph.nodes.get(name) for name in self.graph.targets.get(node.name, [])]
        wanted = {ranks[target.type] for target in fed if target and target.type in ranks}
        extra = len(shape) - max(wanted, default=len(shape))
        if extra > 0 and all(n == 1 for n in shape[:extra]):
            shape = shape[extra:]
        if len(shape) > 3:
            limit = "(neurons,), (channels, length) or (channels, height, width)"
            raise MisfitError(f"its shape is {shape}", limit, MEND)
        return shape

    def _synapse(self, node: Node, given: Signal) -> tuple[Signal, list[make.Step]]:
        kinds = {"Affine": shapes.dense, "Linear": shapes.dense}
        kinds |= {"SumPool2d": shapes.pool, "AvgPool2d": shapes.pool}
        synapse = kinds.get(node.type, shapes.convolution)(node, given)
        target = self._only_target(node)
        if target and target.type in (*NEURONS, *INTEGRATORS):
            self.synapses[target.name] = synapse
            return synapse.out, []
        if synapse.kind == "pool":
            _check_made(synapse.out.shape[0] * math.prod(synapse.window))
        return synapse.out, synapse.plain(self.names)

    def _only_target(self, node: Node) -> Node | None:
        """The one node that it feeds, if nothing else feeds that one."""
        targets = self.graph.targets.get(node.name, [])
        if len(targets) == 1 and len(self.graph.sources[targets[0]]) == 1:
            return self.graph.nodes.get(targets[0])
        return None

    def _spiking(self, node: Node, given: Signal) -> list[make.Step]:
        loops = node.name in self.graph.loops
        cell, problems = spiking(node, given.shape, self.reading, loops)
        self.problems += problems
        if cell is None:
            return []
        if loops:
            return self._recurrent(node, given, cell)
        synapse = self._folded(node, cell)
        if synapse is not None and cell.current_decay is None and not cell.drives:
            return synapse.spiking(self.names, cell.neuron)
        steps = self._into(node, given, cell)
        return [*steps, make.activation(self.names(node.name), cell.neuron)]

    def _recurrent(self, node: Node, given: Signal, cell: Cell) -> list[make.Step]:
        """Neurons that feed themselves, with the weights before them, or with weights of one."""
        loop = shapes.dense(self.graph.loops[node.name], given)
        if loop.out.shape != given.shape:
            raise MisfitError(
                f"{loop.name} makes {loop.out.shape} of its {given.shape}",
                "as many numbers as it has neurons",
                MEND,
            )
        loop = loop.folded(cell.gain, np.zeros(()))
        into, steps = self._folded(node, cell), []
        if into is None or cell.drives:
            steps = self._into(node, given, cell)
            into = make.Synapse(node.name, "dense", given, np.eye(given.size))
        return [*steps, make.recurrent(self.names(node.name), cell.neuron, into, loop)]

    def _integrating(self, node: Node, given: Signal) -> list[make.Step]:
        cell, problems = integrating(node, given.shape, self.reading)
        self.problems += problems
        if cell is None:
            return []
        steps = self._into(node, given, cell)
        return [*steps, make.response(self.names(node.name), cell.neuron)]

    def _folded(self, node: Node, cell: Cell) -> make.Synapse | None:
        """The synapse before a cell, with the gain of the cell in its weights, if there is one."""
        synapse = self.synapses.get(node.name)
        return None if synapse is None else synapse.folded(cell.gain, cell.offset)

    def _into(self, node: Node, given: Signal, cell: Cell) -> list[make.Step]:
        """The input of a cell, as far as the neuron does not make it itself."""
        folded, drives = self._folded(node, cell), cell.drives
        if folded is not None:
            steps = folded.plain(self.names)
        else:
            synapse = self.synapses.get(node.name)
            steps = [] if synapse is None else synapse.plain(self.names)
            if (cell.gain != 1).any():
                steps.append(make.scaled(self.names(f"{node.name}.gain"), given, cell.gain))
            if cell.offset.any():
                drives = ((cell.offset, (1.0,)), *drives)
        if cell.current_decay is not None:
            current = dataclasses.replace(_INTEGRATOR, current_decay=cell.current_decay)
            steps.append(make.response(self.names(f"{node.name}.current"), current))
        for factor, taps in drives:
            names = [self.names(f"{node.name}.{part}") for part in ("shift", "constant")]
            steps.append(make.shifted(*names, given, factor, taps))
        return steps

    def _flatten(self, node: Node, given: Signal) -> tuple[Signal, list[make.Step]]:
        rank = len(given.shape)
        start, end = (int(np.ravel(node.values[key])[0]) for key in ("start_dim", "end_dim"))
        first, last = start % rank, end % rank
        if not (-rank <= start < rank and -rank <= end < rank and first <= last):
            raise MisfitError(
                f"it flattens axes {start} to {end} of {given.shape}", "its axes", MEND
            )
        if first == last:
            return given, []
        name = self.names(node.name)
        if first == 0 and last == rank - 1:
            # The weights that follow take the order of Keras; else it is that of NIR.
            fed = [self.graph.nodes.get(target) for target in self.graph.targets.get(node.name, [])]
            free = all(
                target
                and target.type in ("Affine", "Linear")
                and len(self.graph.sources[target.name]) == 1
                for target in fed
            )
            signal = Signal((given.size,), given.shape if free else None)
            return signal, make.flattened(name, given, channels_last=free)
        if first == 1:  # the axes of an image, each channel for itself
            signal = Signal((given.shape[0], given.size // given.shape[0]))
            return signal, [make.reshaped(name, signal)]
        raise MisfitError(
            f"it flattens axes {start} to {end} of {given.shape}",
            "all axes, or all but the channels",
            "flatten all axes",
        )

    def _delays(self, seconds: np.ndarray) -> np.ndarray:
        steps = seconds / self.reading.dt
        whole = np.round(steps)
        wrong = steps[(whole < 0) | (whole > shapes.MAX_SIDE) | (abs(steps - whole) > WHOLE)]
        if wrong.size:
            raise MisfitError(
                f"it delays by {float(wrong.flat[0]):g} steps of {self.reading.dt:g} s",
                f"whole numbers of steps from 0 to {shapes.MAX_SIDE}",
                "give dt, the seconds per step of the tool that wrote the graph",
            )
        return whole


def _check_made(numbers: int) -> None:
    if numbers > MAX_MADE:
        what = f"it makes a layer of {numbers} numbers"
        raise MisfitError(what, f"at most {MAX_MADE}", "split it, or give it fewer inputs")


def _per_neuron(node: Node, key: str, given: Signal) -> np.ndarray:
    """One number, or one for each neuron."""
    value = np.asarray(node.values[key], np.float64)
    if value.size == 1:
        return value.reshape(())
    if value.shape != given.shape:
        what = f"{key!r} has shape {value.shape}, and its input {given.shape}"
        raise MisfitError(what, "one number, or one for each neuron", MEND)
    return value
