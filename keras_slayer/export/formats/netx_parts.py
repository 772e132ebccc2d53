"""The parts of a layer in a ``.net`` file, as the chip has them: weights, delays, biases, neurons.

Source: what lava-dl 0.6.0 writes (``export_hdf5`` of the blocks in ``lava.lib.dl.slayer``), and
what its loader (``lava.lib.dl.netx``) makes of it.
"""

import numpy as np

from keras_slayer.export.formats.hdf5 import CheckedGroup
from keras_slayer.export.formats.netx import MAX_SMALL
from keras_slayer.export.network import IntegerConv, IntegerDense, IntegerNeuron
from keras_slayer.loihi import (
    DECAY_UNIT,
    MAX_BIAS,
    MAX_DELAY,
    MAX_THRESHOLD,
    MIN_BIAS,
    MIN_WEIGHT,
    WEIGHT_SCALE,
)

MAX_WEIGHT = 255
"""Largest weight of a layer without negative weights: its sign bit is free."""

UNREACHED = MAX_THRESHOLD + 1
"""The least threshold that no voltage exceeds: they are clipped one below it."""

MAX_MANTISSA = (1 << 18) - 1
"""What lava-dl writes for a layer that must not spike."""

INTEGRATOR = IntegerNeuron(0, DECAY_UNIT, UNREACHED)
"""The loader's neurons of a layer that has none: they add up currents, and never spike."""


def never_spikes(neuron: IntegerNeuron) -> bool:
    """Whether the threshold is out of reach; such neurons are read for their voltage."""
    return neuron.threshold_mantissa >= UNREACHED


def weights(group: CheckedGroup, shape: tuple[int | None, ...]) -> np.ndarray:
    """int16 of ``shape``, None where any size is right."""
    return _one_grid(group, group.integers("weight", MIN_WEIGHT, MAX_WEIGHT, shape=shape))


def loop(group: CheckedGroup, weight: np.ndarray) -> np.ndarray:
    """int16 (to, from): weights of a recurrent layer's neurons to each other.

    The loop takes one step, as the way to the next layer does. A ``delay`` is refused: training
    delays what leaves the layer, the loader its loop, too.

    Args:
        weight: from the layer's inputs, (outputs, inputs). The loader scales both as one.
    """
    outputs = len(weight)
    own = group.integers("weight_rec", MIN_WEIGHT, MAX_WEIGHT, shape=(outputs, outputs))
    both = _one_grid(group, np.concatenate([weight, own], axis=1), "'weight' and 'weight_rec'")
    if np.any(both < 0) and not np.any(both > 0):
        raise group.fail(
            "'weight' and 'weight_rec' have no positive value: lava-dl's loader would change them"
        )
    least = int(-both.min())
    power = least > 0 and least & (least - 1) == 0
    for name, part in (("weight", weight), ("weight_rec", own)):
        # The loader makes the least weight -256, which a matrix without a positive weight lacks.
        if power and part.min() == -least and part.max() <= 0 and both.max() < least:
            raise group.fail(
                f"{name!r} has no positive value, and its least one, {-least}, is the largest "
                "weight of the layer and a power of two: lava-dl's loader would change it"
            )
    if "delay" in group and np.any(delays(group, weight.shape)):
        raise group.fail(
            "'delay' of a recurrent layer is one of its outputs in training; lava-dl's loader "
            "delays its loop, too, and scales its weights wrongly. Train without delays"
        )
    return own


def kernel(group: CheckedGroup, shape: tuple[int, int]) -> np.ndarray:
    """int16 (*shape, height, width); in the file there may be a last axis of one."""
    weight = group.integers("weight", MIN_WEIGHT, MAX_WEIGHT, ndims=[4, 5])
    if weight.shape[:2] != shape or weight.shape[4:] not in ((), (1,)):
        raise group.fail(f"'weight' has shape {weight.shape}, expected {(*shape, 'any', 'any')}")
    weight = weight.reshape(weight.shape[:4])
    if not 1 <= min(weight.shape[2:]) <= max(weight.shape[2:]) <= MAX_SMALL:
        raise group.fail(f"kernel {weight.shape[2:]}: sides must be 1 to {MAX_SMALL}")
    return _one_grid(group, weight)


def _one_grid(group: CheckedGroup, weight: np.ndarray, name: str = "'weight'") -> np.ndarray:
    low, high = weight.min(initial=0), weight.max(initial=0)
    # A synapse has eight bits and, where signs are mixed, one of them is the sign.
    if low < 0 < high and (low < -128 or high > 127) and np.any(weight % 2):
        raise group.fail(f"{name} of both signs from {low} to {high} must be even")
    return weight


def delays(group: CheckedGroup, shape: tuple[int, ...]) -> np.ndarray | None:
    """uint8 (outputs, inputs), which the file may also give in short."""
    if "delay" not in group:
        return None
    outputs, inputs = shape
    delay = group.integers("delay", 0, MAX_DELAY, ndims=[0, 1, 2])
    # In the order in which lava-dl's loader tries them.
    if delay.shape == (outputs,):
        delay = delay[:, None]
    elif delay.shape not in ((), (inputs,), shape):
        raise group.fail(
            f"'delay' has shape {delay.shape}, expected {shape}, one for each of the {outputs} "
            f"outputs or {inputs} inputs, or one for all"
        )
    return np.broadcast_to(delay, shape)


def bias(group: CheckedGroup, outputs: int) -> np.ndarray | None:
    if "bias" not in group:
        return None
    return group.integers("bias", MIN_BIAS, MAX_BIAS, shape=(outputs,)).astype(np.int32)


def pair(group: CheckedGroup, name: str, low: int) -> tuple[int, int]:
    values = group.integers(name, low, MAX_SMALL, ndims=[0, 1]).ravel()
    if values.size not in (1, 2):
        raise group.fail(f"{name!r} must be one number or two (vertical, horizontal)")
    return int(values[0]), int(values[-1])


def neuron(group: CheckedGroup) -> IntegerNeuron:
    kind = group.text("type")
    if kind not in ("CUBA", "LOIHI"):
        known = {"SDNN": "sigma-delta neurons", "RF": "resonate-and-fire neurons"}
        what = next((f" ({name})" for key, name in known.items() if kind.startswith(key)), "")
        raise group.fail(f"type {kind!r}{what}: only CUBA neurons are supported")
    if "refDelay" in group:
        group.integer("refDelay", 1, 1)
    if "gradedSpike" in group and group.flag("gradedSpike"):
        raise group.fail("'gradedSpike' must be false: spikes are 0 or 1")
    if "messageBits" in group:
        raise group.fail("'messageBits' says that spikes are graded: spikes are 0 or 1")
    if "weight_exp" in group and group.integer("weight_exp", -64, 64):
        raise group.fail(
            "'weight_exp' scales the weights in training, and lava-dl's loader ignores it. Train "
            "with MeanOnlyBatchNorm in place of WgtScaleBatchNorm"
        )
    threshold = group.integer("vThMant", 0, MAX_MANTISSA)
    return IntegerNeuron(
        group.integer("iDecay", 0, DECAY_UNIT),
        group.integer("vDecay", 0, DECAY_UNIT),
        min(threshold, UNREACHED),
    )


def input_layer(group: CheckedGroup, shape: tuple[int, ...]) -> IntegerDense | IntegerConv:
    """The neurons of an input layer: each gets one input, times ``weight``, plus ``bias``.

    That is what lava-dl trains. Its loader leaves weight and bias out, and connects the neurons to
    nothing: the user sets their biases in every step.
    """
    cells = neuron(group.group("neuron"))
    if never_spikes(cells):
        raise group.fail("the neurons of an input layer never spike: vThMant is above their range")
    weight = group.integer("weight", MIN_WEIGHT, MAX_WEIGHT) if "weight" in group else WEIGHT_SCALE
    constant = group.integer("bias", MIN_BIAS, MAX_BIAS) if "bias" in group else 0
    forgets = cells.current_decay == cells.voltage_decay == DECAY_UNIT
    # Training adds it to the current, from the step on in which the first spikes arrive.
    if constant and not (forgets and constant <= cells.threshold_mantissa):
        raise group.fail(
            f"'bias' {constant} of the input neurons is a current in training, and the chip adds "
            "biases to the voltage, from one step earlier on. The two are equal only where iDecay "
            f"and vDecay are {DECAY_UNIT} and the bias is at most vThMant"
        )
    neurons = shape[-1]  # one of each is in the file
    if len(shape) == 1:
        group.take(neurons * neurons, 2, f"a weight for each pair of {neurons} inputs and neurons")
        kernel = np.zeros((neurons, neurons), np.int16)
        np.fill_diagonal(kernel, weight)
    else:
        kernel = np.full((1, 1, 1, neurons), weight, np.int16)
    biases = np.full(neurons, constant, np.int32) if constant else None
    if len(shape) == 1:
        return IntegerDense(kernel, cells, biases)
    return IntegerConv(kernel, cells, groups=neurons, bias=biases)


def pool(group: CheckedGroup, image: tuple[int, ...]) -> IntegerConv:
    """lava-dl's pooling of ``image`` (height, width, channels), as a convolution per channel.

    lava-dl pads the image below and on the right by height % kernel and width % kernel, then lays
    the channels under each other, so that windows must end where a channel ends.
    """
    weight = kernel(group, (1, 1))[0, 0]
    strides, padding = pair(group, "stride", 1), pair(group, "padding", 0)
    dilation = pair(group, "dilation", 1)
    height, width, channels = image
    below, right = height % weight.shape[0], width % weight.shape[1]
    aligned = strides[0] == weight.shape[0] and (padding[0], dilation[0]) == (0, 1)
    if not aligned or (height + below) % weight.shape[0]:
        raise group.fail(
            f"lava-dl's pooling mixes the channels of an image of {height} rows here: it needs "
            f"strides as the kernel {weight.shape}, no vertical padding or dilation, and a height "
            "that is a multiple of the kernel's"
        )
    if right and dilation[1] > 1:
        raise group.fail(f"dilated pooling needs a width that is a multiple of {weight.shape[1]}")
    # The chip pads both sides alike: a first tap of zeros takes back what comes before the image.
    group.take(weight.size * channels * 4, 2, f"a kernel for each of {channels} channels")
    weight = np.pad(weight, ((below, 0), (right, 0)))
    return IntegerConv(
        np.repeat(weight[:, :, None, None], channels, axis=3),
        neuron(group.group("neuron")),
        strides=strides,
        padding=(below, padding[1] + right),
        dilation=dilation,
        groups=channels,
        bias=bias(group, channels),
    )
