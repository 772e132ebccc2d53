"""A Keras model as the calls that it makes, in order: those of the chip and those of the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from keras_slayer.layers.spiking_layer import SpikingLayer

INPUT = -1


@dataclass(frozen=True)
class Ref:
    """A tensor: output ``index`` of a step, or input ``index`` of the model (``step`` INPUT)."""

    step: int
    index: int = 0


@dataclass(frozen=True, eq=False)
class Step:
    """One call of a layer, or of another operation.

    Attributes:
        name: of the layer; with a number from its second call on.
        operation: what is called. What its neurons learned is settled.
        given: the same as the model has it.
        args, kwargs: of the call, with ``Ref`` in place of tensors.
    """

    name: str
    operation: keras.Operation
    given: keras.Operation
    args: tuple
    kwargs: dict

    @property
    def spikes(self) -> bool:
        return isinstance(self.operation, SpikingLayer)

    @property
    def reads(self) -> list[Ref]:
        return list(refs_in((self.args, self.kwargs)))

    def call(self, operation: keras.Operation, value_of: Callable[[Ref], tf.Tensor]) -> list:
        """The outputs of ``operation``, called as the model calls this step's."""
        args, kwargs = replaced((self.args, self.kwargs), value_of)
        if isinstance(operation, keras.Layer):
            # Operations of a functional model that are no layers do not know of training.
            kwargs = {**kwargs, "training": False}
        return keras.tree.flatten(operation(*args, **kwargs))


@dataclass(frozen=True, eq=False)
class Program:
    """A model as it is exported.

    Attributes:
        inputs: shapes by name, with batch and time.
        steps: all calls; each after those that it reads from.
        chip: the numbers of those that the chip runs: what leads to spiking layers, and these.
        host: of those that come after the last neurons, and run on the host.
        read: of the spiking steps whose spikes the host reads, in the order of the outputs.
        results: the outputs of the model.
    """

    inputs: dict[str, tuple[int | None, ...]]
    steps: tuple[Step, ...]
    chip: tuple[int, ...]
    host: tuple[int, ...]
    read: tuple[int, ...]
    results: tuple[Ref, ...]

    @property
    def spiking(self) -> list[int]:
        """The numbers of the steps with neurons."""
        return [i for i in self.chip if self.steps[i].spikes]

    @property
    def chip_steps(self) -> list[Step]:
        return [self.steps[i] for i in self.chip]

    @property
    def layers(self) -> list[keras.Operation]:
        """What the chip runs, each once."""
        return list({id(step.operation): step.operation for step in self.chip_steps}.values())

    def with_layers(self, swap: Mapping[int, keras.Operation]) -> Program:
        """The same with other operations, by the ``id`` of those that they stand in for."""
        steps = tuple(
            replace(step, operation=swap.get(id(step.operation), step.operation))
            for step in self.steps
        )
        return replace(self, steps=steps)

    def spikes(
        self,
        inputs: list[np.ndarray],
        swap: Mapping[int, keras.Operation] | None = None,
        after: Callable[[keras.Operation, tf.Tensor], tf.Tensor] | None = None,
    ) -> list[np.ndarray]:
        """The spikes of all spiking steps.

        Args:
            inputs: of the model, (samples, time, ...).
            swap: operations by the ``id`` of those that they stand in for.
            after: ``(operation, spikes) -> spikes``, applied to what each spiking step gives, for
                itself and those that read it.
        """
        values = {INPUT: [tf.convert_to_tensor(x, tf.float32) for x in inputs]}
        found = []
        for i in self.chip:
            step = self.steps[i]
            operation = (swap or {}).get(id(step.operation), step.operation)
            values[i] = step.call(operation, lambda ref: values[ref.step][ref.index])
            if step.spikes:
                if after is not None:
                    values[i] = [after(operation, values[i][0])]
                found.append(np.asarray(values[i][0], np.float32))
        return found

    def answer(self, inputs: list[np.ndarray], read: list[np.ndarray]) -> list[np.ndarray]:
        """The outputs of the model, computed on the host from the spikes of the ``read`` steps."""
        values = {INPUT: [tf.convert_to_tensor(x, tf.float32) for x in inputs]}
        for i, spikes in zip(self.read, read, strict=True):
            values[i] = [tf.convert_to_tensor(spikes)]
        for i in self.host:
            step = self.steps[i]
            values[i] = step.call(step.given, lambda ref: values[ref.step][ref.index])
        return [np.asarray(values[ref.step][ref.index]) for ref in self.results]


def refs_in(value) -> Iterator[Ref]:
    """All tensors among the arguments of a call."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from refs_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from refs_in(item)


def replaced(value, value_of: Callable[[Ref], object]):
    """The arguments of a call with ``value_of(ref)`` in place of each tensor."""
    if isinstance(value, Ref):
        return value_of(value)
    if isinstance(value, dict):
        return {key: replaced(item, value_of) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replaced(item, value_of) for item in value)
    return value


def split(
    steps: list[Step], results: list[Ref]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Which steps are the chip's, which the host's, and which spiking ones the host reads.

    The host does what lies between neurons and the outputs of the model. Where that leads to other
    neurons, too, both do it.
    """
    host, read = _before(steps, results, through_spikes=False)
    chip, _ = _before(steps, [Ref(i) for i, step in enumerate(steps) if step.spikes], True)
    return tuple(sorted(chip)), tuple(sorted(host)), read


def _before(
    steps: list[Step], refs: list[Ref], through_spikes: bool
) -> tuple[set[int], tuple[int, ...]]:
    """What ``refs`` are made of, and the spiking steps at which the search ended, in the order of
    ``refs``."""
    found: set[int] = set()
    ends: dict[int, None] = {}
    waiting = [ref.step for ref in reversed(refs)]
    while waiting:
        i = waiting.pop()
        if i == INPUT or i in found:
            continue
        if steps[i].spikes and not through_spikes:
            ends[i] = None
            continue
        found.add(i)
        waiting += [ref.step for ref in reversed(steps[i].reads)]
    return found, tuple(ends)
