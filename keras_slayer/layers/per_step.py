"""Any Keras layer, applied to each time step."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import keras

from keras_slayer.layers.delay_layer import DelayLayer
from keras_slayer.layers.flatten import Flatten
from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.layers.temporal_filter import TemporalFilter
from keras_slayer.layers.winner_take_all import WinnerTakeAll

_OVER_TIME = (SpikingLayer, DelayLayer, Flatten, TemporalFilter, WinnerTakeAll)


# A TimeDistributed to whoever tells wrappers apart: it computes the same, in one call.
@keras.saving.register_keras_serializable(package="keras_slayer")
class PerStep(keras.layers.TimeDistributed):
    """Applies a Keras layer to each time step, with time folded into the batch.

    y[b, t] = layer(x[b, t]): the axes (batch, time, ...) become (batch * time, ...), ``layer`` runs
    once, and its output gets its two axes back. ``keras.layers.TimeDistributed`` computes the same
    and calls the layer once per step: 300 times for 300 steps, each with tensors of its own, which
    takes several times as long and as much memory.

    The layer sees the steps as samples. So ``BatchNormalization`` takes its statistics over batch
    and time, and updates its moving averages once per batch (``TimeDistributed``: over the batch,
    once per step). Layers that combine time steps (recurrent layers, ``Conv1D`` along time,
    ``Conv3D``) belong into the model as they are.

    Args:
        layer: a ``keras.layers.Layer``, or a ``keras.Model`` of such layers; its input and output
            may be nested structures of tensors. Its dtype policy is the default of ``dtype``.

    Call arguments:
        inputs: (batch, time, ...); batch and time may be unknown.
        training: handed to the layer.
        mask: (batch, time) or (batch, time, ...); folded, and handed to the layer if it takes a
            mask. It is passed on to the next layer if the layer keeps the axes that it is of. A
            mask that the layer itself makes (``Embedding(mask_zero=True)``) is not: wrap it
            together with the layers that need the mask, as one ``keras.Sequential``.

    Input shape:
        (batch, time, ...).

    Output shape:
        (batch, time, ...), the rest as the layer gives it.

    Raises:
        ValueError: no Keras layer; a layer of this package, which takes (batch, time, ...) itself;
            a layer that keeps its state from call to call (``stateful=True``); input without a
            time axis.

    Example:

    >>> layer = keras_slayer.PerStep(keras.layers.Conv2D(4, 3))
    >>> layer(keras.ops.ones((2, 300, 34, 34, 2))).shape
    TensorShape([2, 300, 32, 32, 4])
    """

    def __init__(self, layer: keras.layers.Layer, **kwargs) -> None:
        if not isinstance(layer, keras.layers.Layer):
            raise ValueError(f"layer must be a keras.layers.Layer. Received: layer={layer!r}")
        for inner in _layers_within(layer):
            if isinstance(inner, _OVER_TIME):
                raise ValueError(
                    f"{type(inner).__name__} takes input with the axes (batch, time, ...): use it "
                    f"without PerStep. Received: layer={layer!r}"
                )
            if getattr(inner, "stateful", False):
                raise ValueError(
                    "layer must not keep state from call to call (stateful=True): time steps are "
                    f"samples to it. Received: layer={layer!r}"
                )
        kwargs.setdefault("dtype", layer.dtype_policy)
        super().__init__(layer, **kwargs)

    def build(self, input_shape) -> None:
        if not self.layer.built:
            self.layer.build(_folded_shape(input_shape))
            self.layer.built = True
        self.built = True

    def call(self, inputs, training: bool | None = None, mask=None):
        options = {"training": training, "mask": _fold(mask)}
        taken = inspect.signature(self.layer.call).parameters
        options = {
            name: value for name, value in options.items() if name in taken and value is not None
        }
        return _unfold(self.layer(_fold(inputs), **options), inputs)

    def compute_mask(self, inputs, previous_mask):
        masks = [mask for mask in keras.tree.flatten(previous_mask) if mask is not None]
        if not masks:
            return None
        rank = len(masks[0].shape)
        if rank == 2:
            return masks[0]  # of whole steps
        before = tuple(keras.tree.flatten(inputs)[0].shape)
        after = keras.tree.flatten(self.compute_output_spec(inputs))[0].shape
        kept = self.layer.supports_masking and after[:rank] == before[:rank]
        return masks[0] if kept else None

    def compute_output_shape(self, input_shape):
        time = []
        keras.tree.map_shape_structure(lambda shape: time.append(tuple(shape[:2])), input_shape)
        shapes = self.layer.compute_output_shape(_folded_shape(input_shape))
        return keras.tree.map_shape_structure(lambda shape: (*time[0], *shape[1:]), shapes)

    def compute_output_spec(self, inputs, training: bool | None = None, mask=None):
        time = keras.tree.flatten(inputs)[0].shape[:2]
        folded = keras.tree.map_structure(
            lambda x: keras.KerasTensor(_folded_shape(tuple(x.shape)), x.dtype), inputs
        )
        return keras.tree.map_structure(
            lambda y: keras.KerasTensor((*time, *y.shape[1:]), y.dtype),
            self.layer.compute_output_spec(folded),
        )


def _layers_within(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """``layer``, and what a model or a wrapper holds."""
    yield layer
    for inner in (*getattr(layer, "layers", ()), getattr(layer, "layer", None)):
        if inner is not None:
            yield from _layers_within(inner)


def _fold(tensors):
    """Tensors (batch, time, ...) as (batch * time, ...)."""

    def fold(x):
        if x is None:  # of several inputs one without a mask
            return None
        batch, time, *rest = keras.ops.shape(x)
        return keras.ops.reshape(x, (batch * time, *rest))

    return keras.tree.map_structure(fold, tensors)


def _unfold(tensors, inputs):
    """Tensors (batch * time, ...) with the batch and time of ``inputs``."""
    time = keras.ops.shape(keras.tree.flatten(inputs)[0])[:2]

    def unfold(y):
        return keras.ops.reshape(y, (*time, *keras.ops.shape(y)[1:]))

    return keras.tree.map_structure(unfold, tensors)


def _folded_shape(shapes):
    def fold(shape):
        if len(shape) < 2:
            raise ValueError(
                "PerStep takes input with the axes (batch, time, ...). "
                f"Received: input_shape={tuple(shape)}"
            )
        return (None if None in shape[:2] else shape[0] * shape[1], *shape[2:])

    return keras.tree.map_shape_structure(fold, shapes)
