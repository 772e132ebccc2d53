"""``Stream``."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_slayer.layers.carry import CallNames, Carry, carrying
from keras_slayer.stream import steps
from keras_slayer.stream.apply import apply_to, as_input
from keras_slayer.stream.step_parts import Steps


class Stream:
    """A model that runs on chunks of time and keeps its state from one chunk to the next.

        stream = ks.Stream(model)
        for chunk in recording:          # (batch, steps, ...), any number of steps, also none
            spikes = stream(chunk)       # (batch, steps, ...)
        stream.reset()                   # the next recording

    Whatever the chunks, what they give one after the other equals to the bit what the whole gives
    as one chunk. That is what ``model(whole)`` gives, too, unless the input is dense: where more
    than a few per cent of it is not zero, ``model`` takes dense products, which round in another
    order (``ops.explain`` prints the densities). Dropout and noise are off, batch normalisation
    takes its moving statistics, as in ``model.predict``. The model may go on being trained: the
    stream takes its weights as they are. Copies (``copy.copy``, ``copy.deepcopy``, pickles) go on
    by themselves from where the stream is.

    Args:
        model: a built Sequential or functional model with one input (batch, time, ...), of layers
            of this package and of Keras' layers that act on each step by itself: ``PerStep``,
            ``Dense``, activations, sums. The length in its ``keras.Input`` does not matter.

    Attributes:
        batch_size: samples of the chunks; None before the first one and after ``reset()``.
        steps: steps since the last reset of all samples.

    Raises:
        ValueError: a model that is not built, or a layer that looks over the whole time axis; with
            the name of each.
    """

    def __init__(self, model: keras.Model) -> None:
        steps.check(model, "Stream")
        self.model = model
        self.batch_size: int | None = None
        self.steps = 0
        self._states: dict[str, tf.Tensor] = {}
        self._network: Steps | None = None
        self._step_functions = {}
        self._paths = steps.paths_of(model)
        _, _, *self._shape = model.inputs[0].shape
        self._dtype = model.inputs[0].dtype
        self._spec = tf.TensorSpec([None, None, *self._shape], self._dtype)
        self._start = tf.function(
            lambda chunk: self._advance(chunk, {})[1], input_signature=[self._spec]
        )
        self._run = None

    def __call__(self, chunk) -> tf.Tensor:
        """The output for the next steps.

        Args:
            chunk: (batch, steps, ...), as the model takes it.

        Raises:
            ValueError: a chunk of another shape, or of another batch size than the state; a call
                within a ``tf.function``.
        """
        if not tf.executing_eagerly():
            raise ValueError(
                "A stream keeps its state in Python, which a tf.function runs only once: call it "
                "outside, or give the layers their initial_state. Received: a call within a graph"
            )
        chunk = self._checked(chunk)
        self._end_steps()
        if self.batch_size is None:
            self._begin(chunk.shape[0])
        outputs, self._states = self._run(chunk, self._states)
        self.steps += chunk.shape[1]
        return outputs

    def step(self, index, value=None) -> np.ndarray:
        """One time step of one sample, from events to events: no dense frames.

        It gives the spikes of a call on a chunk of one step, in a fraction of its time. Calls and
        steps may follow each other. For a chain of ``SpikingDense``, ``SpikingRecurrentDense``,
        ``SpikingConv2D``, ``SpikingRecurrentConv2D``, ``SpikingSumPooling2D``, ``DelayLayer`` and
        ``Flatten`` in float32, with the native ops. Layers with neurons of your own, and
        ``SpikingRecurrentConv2D``, run as TensorFlow ops on a chunk of one step, in its time. Steps
        take the weights as they are at the first step after a call, a reset or a new state.

        Args:
            index: places of the events in the flattened input of a step (row, column, channel),
                integers of any number and order.
            value: a number for each event; then every place is there once. None: each place that
                is named counts 1, however often.

        Returns:
            The places of the spikes in the flattened output, ascending (of all values that are not
            zero, behind a ``DelayLayer``).

        Raises:
            ValueError: a place that does not exist, a model that is no such chain, or a state of
                more than one sample.
        """
        if self._network is None:
            self._network = self._step_network()
        places = self._network.step(index, value)
        self.steps += 1
        return places

    def _step_network(self) -> Steps:
        if self.batch_size not in (None, 1):
            raise ValueError(
                "step() takes one sample, and the state is of more: call reset(). "
                f"Received: a state of {self.batch_size} samples"
            )
        chain = steps.chain(self.model)
        if self.batch_size is None:
            self._begin(1)
        states = {name: state.numpy() for name, state in self._states.items()}
        return Steps(chain, states, self._step_functions)

    def _begin(self, batch: int) -> None:
        """All at rest."""
        self._states = self._at_rest(batch)
        self.batch_size = batch

    def _at_rest(self, batch: int) -> dict[str, tf.Tensor]:
        states = self._start(tf.zeros([batch, 0, *self._shape], self._dtype))
        if self._run is None:  # for chunks and states of any length
            specs = {
                n: tf.TensorSpec([None, None, *s.shape[2:]], s.dtype) for n, s in states.items()
            }
            self._run = tf.function(self._advance, input_signature=[self._spec, specs])
        return states

    def _end_steps(self) -> None:
        """Takes the states over from the network of single steps."""
        if self._network is not None:
            found, self._network = self._network.states(), None
            self._states = {n: tf.constant(found[n], s.dtype) for n, s in self._states.items()}

    def reset(self, mask=None) -> None:
        """Back to rest.

        Args:
            mask: which samples of the batch, booleans (batch,); None: all, and the next chunk may
                have another batch size.
        """
        self._end_steps()
        if mask is None:
            self._states, self.batch_size, self.steps = {}, None, 0
            return
        if self.batch_size is None:
            raise ValueError("A mask needs a batch, and there was no chunk since the last reset.")
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (self.batch_size,):
            raise ValueError(
                f"mask must be booleans of the shape ({self.batch_size},). Received: "
                f"{mask.dtype} of shape {mask.shape}"
            )
        self._states = {
            name: tf.where(tf.reshape(mask, [-1] + [1] * (state.shape.rank - 1)), 0, state)
            for name, state in self._states.items()
        }

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The states of the layers by their names, (batch, numbers, ...): plain arrays.

        Empty before the first chunk. To restore a state, set it: ``stream.state = saved``. A state
        of another model or shape is a ValueError, and the stream keeps its own.
        """
        self._end_steps()
        return {name: state.numpy() for name, state in self._states.items()}

    @state.setter
    def state(self, state: Mapping[str, np.ndarray]) -> None:
        if not state:
            self.reset()
            return
        if not isinstance(state, Mapping) or not all(map(np.ndim, state.values())):
            raise ValueError(
                "A state is a dict of layer names to arrays (batch, numbers, ...), as `state` "
                f"returns it. Received: {state!r}"
            )
        sizes = {len(array) for array in state.values()}
        if len(sizes) != 1:
            raise ValueError(f"The states are of different batch sizes: {sorted(sizes)}")
        (batch,) = sizes
        rest = self._at_rest(batch)
        if state.keys() != rest.keys():
            raise ValueError(
                f"The state is of another model: this one has states of {sorted(rest)}. "
                f"Received: {sorted(state)}"
            )
        for name, array in state.items():
            if tuple(np.shape(array)) != tuple(rest[name].shape):
                raise ValueError(
                    f"The state of {name} must have the shape {tuple(rest[name].shape)}. "
                    f"Received: {tuple(np.shape(array))}"
                )
        self.reset()
        self._states = {name: tf.constant(state[name], rest[name].dtype) for name in rest}
        self.batch_size = batch

    def __getstate__(self) -> dict:
        """What a copy is made of: it goes on by itself from where this stream is."""
        return {"model": self.model, "state": self.state, "steps": self.steps}

    def __setstate__(self, saved: dict) -> None:
        self.__init__(saved["model"])
        self.state = saved["state"]
        self.steps = saved["steps"]

    def _checked(self, chunk) -> tf.Tensor:
        chunk = as_input(self.model, chunk, "A chunk", "steps")
        if self.batch_size not in (None, chunk.shape[0]):
            raise ValueError(
                f"The state is of {self.batch_size} samples: give as many, or call reset(). "
                f"Received: a chunk of {chunk.shape[0]}"
            )
        return chunk

    def _advance(self, chunk, states):
        with carrying(Carry(states, name_of=CallNames(self._paths))) as carry:
            return apply_to(self.model, chunk), carry.after
