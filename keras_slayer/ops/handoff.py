"""What layers tell each other beyond the float tensors that pass between them.

The contract:

1.  A layer of this package returns its spikes as floats, and each gradient is a float tensor.
    These are complete: whoever knows nothing of this module computes the right thing.

2.  *Bytes.* The native op of a layer writes its spikes as bytes, and the floats are a ``Cast`` of
    them. A synapse that is given such floats reads the bytes instead (``bytes_of``): a fourth of
    the memory. What it reads has the same values, to the bit. Gradients go through the floats.

3.  *The gradient before a pool.* The gradient of a pool's input says for each pixel what one
    number per window says. A convolution under a pool is handed that large tensor, and takes the
    small ones that it was made of instead: the gradient of the pool's spikes and the pool's
    neurons (``before_pool``).

Both are recognised in the graph, by the types of the ops that made a tensor: nothing is attached
to tensors, and nothing has to be announced. An op between the two that changes a value (a sum of
two gradients, a multiplication) is not looked through, so the floats are read. In a graph
(``model.fit``, ``predict``, ``tf.function``) TensorFlow does not compute what nobody reads, so
neither the floats nor the large gradient are ever in memory. In eager mode tensors do not know
the ops that made them, and everything has been computed already: the floats are read.
"""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import library

_KEEP_VALUES = ("Identity", "IdentityN", "StopGradient")
_POOL_GRADIENT = "KerasSlayer>SumPool2DLayerInputGrad"


def to_floats(spikes, membrane, dtype):
    """The bytes ``spikes`` in ``dtype``; their gradient is handed to ``membrane`` as it is.

    The membrane potential stands for the spikes wherever gradients are concerned: it has
    their shape, is a float, and no gradient of its own.
    """

    @tf.custom_gradient
    def floats(membrane):
        return tf.cast(spikes, dtype), lambda grad: tf.cast(grad, membrane.dtype)

    return floats(membrane)


def bytes_of(spikes):
    """The bytes that ``spikes`` are a copy of, or else ``spikes``. No gradient goes through bytes.

    Looks through casts between floats, all of which hold every byte, and through reshapes.
    """
    found = _find_bytes(spikes)
    return spikes if found is None else found


def _find_bytes(x):
    if not tf.is_symbolic_tensor(x):
        return None
    if checks.are_bytes(x):
        return x
    if x.dtype.name not in checks.FLOAT_DTYPES:
        return None
    op = x.op
    if op.type == "Cast":
        return _find_bytes(op.inputs[0])
    if op.type == "Reshape":
        found = _find_bytes(op.inputs[0])
        return None if found is None else tf.reshape(found, op.inputs[1])
    if op.type in _KEEP_VALUES:
        return _find_bytes(op.inputs[[y is x for y in op.outputs].index(True)])
    return None


@dataclasses.dataclass(frozen=True)
class Gradient:
    """The gradient of a layer's spikes."""

    spikes: tf.Tensor

    def whole(self):
        """Of every spike."""
        return self.spikes

    def conv2d_layer_grad(self, **arguments):
        """The gradients of the convolution that made the spikes, by its native op."""
        return library.native().keras_slayer_conv2d_layer_grad(grad=self.spikes, **arguments)


@dataclasses.dataclass(frozen=True)
class GradientBeforePool:
    """The gradient of spikes that a pool alone reads, as what the pool's gradient op was given.

    Attributes:
        arguments: of that op, by name.
    """

    arguments: dict

    def whole(self):
        """The gradient of every spike, by an op of its own: where it is not called, in the branch
        of a ``tf.cond`` that is not taken, nothing is computed."""
        return library.native().keras_slayer_sum_pool2d_layer_input_grad(**self.arguments)

    def conv2d_layer_grad(self, **arguments):
        """The gradients of the convolution that made the spikes, through the pool on the way."""
        pool = {name: x for name, x in self.arguments.items() if name not in ("grad", "input_size")}
        named = {f"pool_{name.removeprefix('pool_')}": x for name, x in pool.items()}
        return library.native().keras_slayer_conv2d_layer_pooled_grad(
            grad=self.arguments["grad"], **named, **arguments
        )


def before_pool(gradient) -> Gradient | GradientBeforePool:
    """The gradient of spikes in the smallest form that it is to be had in."""
    if not tf.is_symbolic_tensor(gradient) or gradient.op.type != _POOL_GRADIENT:
        return Gradient(gradient)
    op = gradient.op
    names = [argument.name for argument in op.op_def.input_arg]
    attributes = [attribute.name for attribute in op.op_def.attr if attribute.name != "T"]
    return GradientBeforePool(
        {
            **dict(zip(names, op.inputs, strict=True)),
            **{name: _attribute(op, name) for name in attributes},
        }
    )


def _attribute(op, name: str):
    def text(value):
        return value.decode() if isinstance(value, bytes) else value

    value = op.get_attr(name)
    return [text(item) for item in value] if isinstance(value, list) else text(value)
