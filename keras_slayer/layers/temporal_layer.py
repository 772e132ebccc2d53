"""What the layers share whose output depends on earlier steps."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer.layers import carry
from keras_slayer.ops.link import Link
from keras_slayer.ops.state import linked


class TemporalLayer(keras.layers.Layer):
    """A layer whose output at a step depends on the inputs before it. Base class.

    It starts every batch at rest. To run a long series in chunks, hand the state on: as
    ``initial_state`` of the call, and with ``return_state=True`` as second output; or let
    ``Stream`` do it for a whole model. In chunks of any lengths a layer gives what it gives for the
    whole series, to the bit.

    Subclasses define ``advance`` and ``state_at_rest``.

    Args:
        return_state: whether the layer returns ``(outputs, state)``.
    """

    def __init__(self, *, return_state: bool = False, **kwargs) -> None:
        # Keras would cast the state, too. `call` casts the input.
        super().__init__(autocast=False, **kwargs)
        self.return_state = bool(return_state)

    @property
    def state_dtype(self) -> str:
        """That of numbers of neurons; histories of inputs have the layer's own."""
        return "float64"

    def advance(self, inputs, state):
        """(outputs, state after the last step); with ``state`` None from rest, and without one."""
        raise NotImplementedError(f"{type(self).__name__} defines no advance(inputs, state)")

    def state_at_rest(self, inputs) -> tf.Tensor:
        """The state before the first of these inputs (batch, time, ...)."""
        raise NotImplementedError(f"{type(self).__name__} defines no state_at_rest(inputs)")

    def advance_linked(self, inputs, state, link: Link):
        """``advance`` of a chunk whose gradients are those of the whole series (``ops.link``).

        This one is for layers that are differentiated by TensorFlow, from state to state.
        """
        with linked():
            outputs, after = self.advance(inputs, state + link.ports[0])
        return link.attach(outputs, after), after

    def nothing_later(self, state) -> tuple[tf.Tensor, ...]:
        """What a ``Link`` has as ``later`` behind the last chunk, for a layer with this state."""
        return (tf.zeros_like(state),)

    def call(self, inputs, initial_state=None):
        """Outputs; with ``return_state``, a pair of outputs and state.

        Args:
            inputs: (batch, time, ...).
            initial_state: a state that the same layer returned, for as many samples. No gradient
                flows through it.
        """
        if inputs.dtype.is_floating:
            inputs = tf.cast(inputs, self.compute_dtype)
        carried = carry.current()
        if carried is None and initial_state is None and not self.return_state:
            return self.advance(inputs, None)[0]
        name = None if carried is None else carried.name_of(self)
        if initial_state is None and carried is not None:
            initial_state = carried.before.get(name)
        if initial_state is None:
            initial_state = self.state_at_rest(inputs)
        state = initial_state
        link = None if carried is None else carried.link(name, lambda: self.nothing_later(state))
        if link is None:
            outputs, state = self.advance(inputs, state)
        else:
            outputs, state = self.advance_linked(inputs, state, link)
        if carried is not None:
            carried.after[name] = state
        return (outputs, state) if self.return_state else outputs

    def compute_output_spec(self, inputs, initial_state=None):
        outputs = keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)
        if not self.return_state:
            return outputs
        batch, _, *neurons = outputs.shape
        return outputs, keras.KerasTensor((batch, None, *neurons), self.state_dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "return_state": self.return_state}
