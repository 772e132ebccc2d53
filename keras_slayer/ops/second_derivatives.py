"""What happens where TensorFlow differentiates a gradient of spikes once more.

The gradient of a spike is a surrogate's; it has no derivative of its own. Filters and delays are
linear, and have derivatives of any order in their own files.
"""

from __future__ import annotations

import tensorflow as tf

# Native ops of a training step that are differentiated as parts of a layer, or not at all.
OPS = (
    "Conv2DLayer",
    "Conv2DLayerGrad",
    "Conv2DLayerPooledGrad",
    "EventConv2D",
    "EventConv2DWeightsGrad",
    "EventMatmul",
    "EventMatmulWeightsGrad",
    "FewUnitsMatmul",
    "FewUnitsMatmulWeightsGrad",
    "FindEvents",
    "FramesConv2D",
    "FramesConv2DInputGrad",
    "FramesConv2DWeightsGrad",
    "MatmulInputGrad",
    "MatmulLayer",
    "NeuronBytes",
    "NeuronGrad",
    "NeuronParamsGrad",
    "Quantize",
    "QuantizeGrad",
    "RecurrentConv2DLayer",
    "RecurrentConv2DLayerGrad",
    "RecurrentLayer",
    "RecurrentLayerGrad",
    "SrmFirGrad",
    "SumPool2DLayer",
    "SumPool2DLayerInputGrad",
)


def _zero_or_refused(op, *grads):
    """Zeros for zeros; an error for all else.

    A persistent tape around a ``tf.function`` makes TensorFlow build second derivatives, and run
    them on zeros where only first ones are asked for.
    """
    grads = [grad for grad in grads if grad is not None and grad.dtype.is_floating]
    zero = tf.reduce_all([tf.reduce_all(grad == 0) for grad in grads])
    message = (
        "a spiking layer has one derivative, that of the surrogate: no second one, and none in "
        "forward mode (tf.autodiff.ForwardAccumulator). Received: a derivative of the native op "
        f"{op.type}"
    )
    if tf.executing_eagerly() and not zero:
        raise NotImplementedError(message)
    with tf.control_dependencies([tf.debugging.Assert(zero, [message])]):
        return [tf.zeros_like(x) if x.dtype.is_floating else None for x in op.inputs]


for _name in OPS:
    tf.RegisterGradient(f"KerasSlayer>{_name}")(_zero_or_refused)
