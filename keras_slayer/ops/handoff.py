"""How a layer reads smaller tensors than the float tensors that it is given.

The contract:

1.  A layer of this package returns its spikes as floats, and each gradient is a float tensor.
    Code that does not know this module gets correct results from these tensors.

2.  *Bytes.* The native op of a layer writes its spikes as bytes. The float spikes are a ``Cast``
    of the bytes. A synapse that is given such floats reads the bytes instead (``bytes_of``), with
    the same values and a fourth of the memory. Gradients go through the floats.

3.  *The gradient before a pool.* The gradient of a pool's input has a value per pixel, but it is
    computed from one value per window. A convolution whose spikes go to a pool alone reads the
    smaller tensors instead: the gradient of the pool's spikes, and the membrane potential and
    parameters of the pool's neurons (``before_pool``).

Both are recognised in the graph by the type of the op that made a tensor. No attribute is set on
tensors. If an op in between changes the values (a sum of two gradients, a multiplication), the
float tensor is read. In a graph (``model.fit``, ``predict``, ``tf.function``) TensorFlow computes
only tensors that are read, so neither the floats nor the large gradient take memory. In eager mode
a tensor does not know the op that made it, so the float tensor is read.
"""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import library

_KEEP_VALUES = ("Identity", "IdentityN", "StopGradient")
_POOL_GRADIENT = "KerasSlayer>SumPool2DLayerInputGrad"


def to_floats(spikes, membrane, dtype):
    """The byte ``spikes`` as floats of ``dtype``. Their gradient goes to ``membrane`` unchanged.

    Bytes cannot have a gradient. The membrane potential carries it in their place: it is a float
    tensor of the same shape that has no other gradient.
    """

    @tf.custom_gradient
    def floats(membrane):
        return tf.cast(spikes, dtype), lambda grad: tf.cast(grad, membrane.dtype)

    return floats(membrane)


def bytes_of(spikes):
    """The bytes that ``spikes`` were cast from, or else ``spikes``. Bytes have no gradient.

    Follows casts between floats, all of which represent every byte exactly, and reshapes.
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
        """The gradient of every spike."""
        return self.spikes

    def conv2d_layer_grad(self, **arguments):
        """The gradients of the convolution that made the spikes, computed by its native op."""
        return library.native().keras_slayer_conv2d_layer_grad(grad=self.spikes, **arguments)


@dataclasses.dataclass(frozen=True)
class GradientBeforePool:
    """The gradient of spikes that go to a pool alone, as the arguments of the pool's gradient op.

    Attributes:
        arguments: inputs and attributes of that op, by name.
    """

    arguments: dict

    def whole(self):
        """The gradient of every spike. This adds an op to the graph, so that in a branch of a
        ``tf.cond`` it is computed only if that branch is taken."""
        return library.native().keras_slayer_sum_pool2d_layer_input_grad(**self.arguments)

    def conv2d_layer_grad(self, **arguments):
        """The gradients of the convolution that made the spikes; the op also does the pool's."""
        pool = {name: x for name, x in self.arguments.items() if name not in ("grad", "input_size")}
        named = {f"pool_{name.removeprefix('pool_')}": x for name, x in pool.items()}
        return library.native().keras_slayer_conv2d_layer_pooled_grad(
            grad=self.arguments["grad"], **named, **arguments
        )


def before_pool(gradient) -> Gradient | GradientBeforePool:
    """The gradient of spikes, in its smaller form if a pool computed it."""
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
