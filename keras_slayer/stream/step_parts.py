"""One step of a network from events to events, where not all layers run natively.

The layers of a chain that ``native.StepNetwork`` knows run there. Others, whose neurons are written
in Python, run as TensorFlow ops on a chunk of one step. Between them go the places of the spikes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_slayer.layers import SpikingRecurrentConv2D
from keras_slayer.layers.carry import Carry, carrying
from keras_slayer.stream.native import Link, StepNetwork, checked_events

IN_TENSORFLOW = (SpikingRecurrentConv2D,)


class Steps:
    """A chain of layers, with the state that they have now.

    Args:
        chain: its layers, as ``steps.chain`` finds them.
        states: by name, of one sample: (1, numbers, ...). They are copied.
        functions: where traced functions are kept from one network of the chain to the next.
    """

    def __init__(
        self,
        chain: Sequence[Link],
        states: Mapping[str, np.ndarray],
        functions: dict[str, Callable],
    ) -> None:
        self._parts = []
        for native, links in _parts_of(chain):
            if native:
                self._parts.append(StepNetwork(links, states))
            else:
                self._parts.append(_LayerSteps(links, states, functions))

    def step(self, index, value=None) -> np.ndarray:
        """Places of the events that come out."""
        first, *others = self._parts
        places = first.step(index, value)
        for part in others:
            places = part.step(places)  # spikes: 1 each
        return places

    def states(self) -> dict[str, np.ndarray]:
        """The states after the last step."""
        return {name: state for part in self._parts for name, state in part.states().items()}


def _parts_of(chain: Sequence[Link]):
    """Consecutive layers that run in the same way: (natively?, layers).

    Layers without neurons run as those before them. The first ones run as the neurons after them,
    because they may pass on values other than 1.
    """
    natively: list[bool | None] = []
    for link in chain:
        neuron = getattr(link.layer, "neuron", None)
        if neuron is None:
            natively.append(natively[-1] if natively else None)
        else:
            python = neuron.native is None or isinstance(link.layer, IN_TENSORFLOW)
            natively.append(not python)
    first = next((known for known in natively if known is not None), True)
    pairs = zip((first if known is None else known for known in natively), chain, strict=True)
    for native, group in itertools.groupby(pairs, key=lambda pair: pair[0]):
        yield native, [link for _, link in group]


class _LayerSteps:
    """Layers that TensorFlow runs, one step at a time."""

    def __init__(self, links, states, functions) -> None:
        self._links = links
        self._shape = (1, 1, *links[0].input[2:])
        own = {link.name for link in links}
        self._states = {name: tf.constant(s) for name, s in states.items() if name in own}
        key = links[0].name
        if key not in functions:
            specs = {
                name: tf.TensorSpec([1, None, *state.shape[2:]], state.dtype)
                for name, state in self._states.items()
            }
            frame = tf.TensorSpec(self._shape, tf.float32)
            functions[key] = tf.function(
                lambda frame, states: _advance(links, frame, states),
                input_signature=[frame, specs],
            )
        self._run = functions[key]

    def step(self, index, value=None) -> np.ndarray:
        index, value = checked_events(index, value)
        frame = np.zeros(math.prod(self._shape), np.float32)
        outside = index[(index < 0) | (index >= frame.size)]
        if outside.size:
            raise ValueError(f"an index must lie in [0, {frame.size - 1}]. Received: {outside[0]}")
        if value is not None:
            places, counts = np.unique(index, return_counts=True)
            if (counts > 1).any():
                twice = places[counts > 1][0]
                raise ValueError(f"a place has one value in a step. Received: index {twice} twice")
        frame[index] = 1.0 if value is None else value
        outputs, self._states = self._run(frame.reshape(self._shape), self._states)
        return np.flatnonzero(outputs).astype(np.int32)

    def states(self) -> dict[str, np.ndarray]:
        return {name: state.numpy() for name, state in self._states.items()}


def _advance(links, frame, states):
    after = {}
    for link in links:
        with carrying(Carry(states, name_of=lambda _, link=link: link.name)) as carry:
            frame = link.layer(frame)
        after |= carry.after
    return frame, after
