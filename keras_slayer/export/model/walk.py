"""The way through the calls of a model, from which its float network is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np

from keras_slayer.export.model.float_network import (
    FloatPopulation,
    Part,
    Shape,
    Spikes,
    Synapses,
    Window,
)
from keras_slayer.export.model.program import INPUT, Program, Ref, Step, replaced
from keras_slayer.export.model.values import Current, Value, identity, source_of
from keras_slayer.export.problems import Notes
from keras_slayer.export.target import Target
from keras_slayer.neurons import CUBA, SRM, Neuron

Handler = Callable[[keras.Operation, "Walk"], Value | None]
"""Tells the walk what one layer does with ``walk.values``, and returns what it hands on."""
MERGING: set[type[keras.Operation]] = set()
"""Classes that take several inputs (merging.py)."""
CONVERTED = (SRM, CUBA)
"""Neurons whose linear response one of the chip's has (``conversion``)."""


class Walk:
    """Goes through the steps of a program.

    Attributes:
        name: of the current step.
        values: what goes into it.
        steps: of time; None where the model leaves it open.
        output_shape: of what comes out of it, without batch and time.
        keeps_time: whether it leaves the time axis as it is.
        notes: what is wrong with it.
        populations: the neurons met so far, by name.
        neurons: the name of a population by the number of the step whose neurons it is.
        target: the chip.
        allowed: names of the layers that the chip runs; None: those with a handler.

    Args:
        handlers: what to do with each class of layers.
    """

    allowed: tuple[str, ...] | None = None

    def __init__(self, program: Program, target: Target, handlers: Mapping[type, Handler]):
        self.target = target
        self.populations: dict[str, FloatPopulation] = {}
        self.neurons: dict[int, str] = {}
        self.name: str
        self.values: list[Value]
        self.output_shape: Shape
        self.keeps_time = True
        self.notes: Notes
        self._handlers = handlers
        self.steps = next(iter(program.inputs.values()))[1]
        self._inputs = [source_of(name, tuple(shape[2:])) for name, shape in program.inputs.items()]
        self._results: dict[int, Value] = {}
        self._program = program

    @property
    def value(self) -> Value:
        """What goes into a step with one input."""
        return self.values[0]

    @property
    def shape(self) -> Shape:
        """Of ``value``."""
        return self.value.shape

    def visit(self, number: int) -> Notes:
        step = self._program.steps[number]
        layer = step.operation
        self._number = number
        self.name, self.notes = step.name, Notes(layer)
        self.values = [self._of(ref) for ref in step.reads]
        spec = self._spec(step)
        self.output_shape = tuple(spec.shape[2:])
        self.keeps_time = len(spec.shape) > 1 and spec.shape[1] == self.steps
        # Of exactly this class: a subclass may compute something else.
        handler = self._handlers.get(type(layer), _unknown)
        if len(self.values) == 1 or handler is _unknown or type(layer) in MERGING:
            result = handler(layer, self)
        else:  # such as a state
            result = None
            self.notes.add(
                f"it is called with {len(self.values)} tensors",
                "one, except for Add, Average and Concatenate",
                "call it with its input alone",
            )
        if result is None or result.shape != self.output_shape:
            result = Spikes(self.output_shape, ())  # something is wrong: go on and see what else
        self._results[number] = result
        return self.notes

    def _of(self, ref: Ref) -> Value:
        return self._inputs[ref.index] if ref.step == INPUT else self._results[ref.step]

    def _spec(self, step: Step) -> keras.KerasTensor:
        """The output of the step. Not compute_output_shape: layers of users often lack it."""

        def tensor(ref: Ref) -> keras.KerasTensor:
            return keras.KerasTensor((None, self.steps, *self._of(ref).shape))

        args, kwargs = replaced((step.args, step.kwargs), tensor)
        return keras.tree.flatten(step.operation.compute_output_spec(*args, **kwargs))[0]

    def spikes(self) -> Spikes | None:
        """The spikes that go into the current layer; notes it if these are currents."""
        if isinstance(self.value, Spikes):
            return self.value
        self.notes.add(
            f"it stands between the synapses of {self.value.names} and their neurons",
            "BatchNormalization and Dropout there, Add, Average and Concatenate",
            "move it after the neurons",
        )
        return None

    def connect(
        self, source: str, kernel: np.ndarray, used: np.ndarray, window: Window | None
    ) -> Current:
        """The data through synapses, class ``source`` of layer."""
        spikes = self.value
        if isinstance(spikes, Current):
            self.notes.add(
                f"it follows {spikes.names} with no neurons between",
                "synapses, then neurons",
                "put a SpikingActivation between the two",
            )
            spikes = Spikes(spikes.shape, ())
        synapses = Synapses(self.name, source, kernel, used, self.output_shape, window)
        return Current(self.output_shape, (Part(synapses, spikes),))

    def fire(
        self,
        value: Value,
        neuron: Neuron,
        weight_bits: int | None,
        bias: np.ndarray | None = None,
        recurrent: Synapses | None = None,
    ) -> Spikes:
        """The spikes of neurons that take ``value``."""
        if isinstance(value, Spikes):
            value = identity(value, self.name, "SpikingActivation")
        name = self.neurons[self._number] = self._name(value)
        if not isinstance(neuron, self.target.neuron):
            self.notes.add(
                f"its neuron is {type(neuron).__name__}",
                f"{self.target.neuron.__name__}: no other runs on the chip as trained",
                "convert the model with keras_slayer.export.to_loihi(model) and fine-tune it, or "
                "let export_loihi convert it (convert=True)"
                if isinstance(neuron, CONVERTED)
                else "build it with this neuron, or with one that can be converted: "
                + ", ".join(kind.__name__ for kind in CONVERTED),
            )
            return Spikes(value.shape, ())
        self.populations[name] = FloatPopulation(
            name,
            value.shape,
            neuron,
            weight_bits,
            value.parts,
            value.shift,
            bias,
            recurrent,
        )
        return source_of(name, value.shape)

    def _name(self, current: Current) -> str:
        """That of the layer whose synapses lead to the neurons, if there is one for them alone."""
        names = {part.synapses.name for part in current.parts}
        if len(names) == 1 and not names & self.populations.keys():
            return names.pop()
        return self.name


def _unknown(layer: keras.Operation, walk: Walk) -> None:
    known = {kind.__name__ for kind in walk._handlers if issubclass(kind, keras.Layer)}
    walk.notes.add(
        f"{type(layer).__name__} has no counterpart on the chip",
        ", ".join(walk.allowed or sorted(known)),
        "replace the layer, or move it after the last spiking layer, where the host runs it",
    )
