"""Reads a ``.net`` file into integers in Keras' order, trusting nothing in it.

Accepted is what lava-dl's loader reads exactly: input, dense, conv and flatten layers with CUBA
neurons. What the loader would skip, clip or misread is an error here.
"""

from pathlib import Path

import numpy as np

from keras_slayer.export.formats.hdf5 import CheckedGroup, open_checked
from keras_slayer.export.formats.netx import MAX_SMALL, channels_first, flatten_order
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerLayer,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.loihi import (
    DECAY_UNIT,
    MAX_BIAS,
    MAX_DELAY,
    MAX_THRESHOLD,
    MIN_BIAS,
    MIN_WEIGHT,
)

MAX_LAYERS = 1000
MAX_NEURONS = 1 << 24
"""Largest layer or input that is read (a Loihi 2 chip has a million neurons)."""

MAX_WEIGHT = 255
"""Largest weight of a layer without negative weights: its sign bit is free."""


def read_network(path: str | Path) -> IntegerNetwork:
    """The network in a ``.net`` file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not HDF5, damaged, or not a network that the chip runs as written; the message
            names file, layer, data set, what was found and what is right.
    """
    with open_checked(Path(path)) as root:
        layers = root.group("layer")
        count = len(layers)
        if not 1 <= count <= MAX_LAYERS:
            raise layers.fail(f"{count} layers, expected 1 to {MAX_LAYERS}")
        return _Reader().network([layers.group(str(i), f"{path}: layer {i}") for i in range(count)])


class _Reader:
    """Walks the layers with the shape, in Keras' order, that goes into the next one."""

    def __init__(self):
        self.shape: tuple[int, ...] | None = None
        self.image: tuple[int, ...] | None = None  # the image that a flatten hides

    def network(self, groups: list[CheckedGroup]) -> IntegerNetwork:
        input_shape = None
        result: list[IntegerLayer] = []
        for i, group in enumerate(groups):
            kind = group.text("type")
            if kind == "input":
                if i:
                    raise group.fail("an input layer must be layer 0")
                input_shape = self.shape = self._input(group)
                continue
            read = {"dense": self._dense, "conv": self._conv, "flatten": self._flatten}.get(kind)
            if read is None:
                raise group.fail(f"type {kind!r} is not one of input, dense, conv, flatten")
            layer = read(group)
            # A dense layer tells its input's size itself.
            input_shape = input_shape or self.shape or (layer.weight.shape[0],)
            result.append(layer)
            self.shape = layer.output_shape(self.shape or input_shape)
            self.image = self.image if kind == "flatten" else None
        if all(isinstance(layer, IntegerFlatten) for layer in result):
            raise groups[-1].fail("the network has no layer with neurons")
        return IntegerNetwork(input_shape, tuple(result))

    def _input(self, group: CheckedGroup) -> tuple[int, ...]:
        if "neuron" in group:
            raise group.fail("an input layer with neurons is not supported")
        shape = tuple(map(int, group.integers("shape", 1, MAX_NEURONS, ndims=[1])))
        if len(shape) not in (1, 3) or _size(shape) > MAX_NEURONS:
            raise group.fail(
                f"shape {shape}: expected (inputs,) or (channels, height, width), "
                f"at most {MAX_NEURONS} in all"
            )
        return shape if len(shape) == 1 else (*shape[1:], shape[0])

    def _flatten(self, group: CheckedGroup) -> IntegerFlatten:
        if self.shape is None:
            raise group.fail("flatten needs a layer before it that gives a shape")
        if len(self.shape) == 3:
            self.image = self.shape
        elif self.image is None:  # a second flatten does no harm
            raise group.fail(f"flatten of a vector {self.shape}: lava-dl's loader fails on it")
        return IntegerFlatten()

    def _dense(self, group: CheckedGroup) -> IntegerDense:
        if self.shape is not None and len(self.shape) != 1:
            raise group.fail(
                f"dense on an image {channels_first(self.shape)} needs a flatten before"
            )
        inputs = self.shape[0] if self.shape else None
        (outputs,) = map(int, group.integers("shape", 1, MAX_NEURONS, shape=(1,)))
        weight = _weights(group, (outputs, inputs))
        if not weight.shape[1]:
            raise group.fail("'weight' has no inputs")
        if np.any(weight < 0) and not np.any(weight > 0):
            raise group.fail("'weight' has no positive value: lava-dl's loader would change it")
        delay = _delay(group, weight.shape)
        weight = weight.T
        if self.image:
            back = np.argsort(flatten_order(self.image))
            weight, delay = weight[back], None if delay is None else delay[back]
        return IntegerDense(
            np.ascontiguousarray(weight),
            _neuron(group.group("neuron")),
            _bias(group, outputs),
            None if delay is None else np.ascontiguousarray(delay),
        )

    def _conv(self, group: CheckedGroup) -> IntegerConv:
        if self.shape is None or len(self.shape) != 3:
            raise group.fail("conv needs an input of shape (channels, height, width)")
        if "delay" in group:
            raise group.fail("'delay' of a conv layer is ignored by lava-dl's loader")
        channels = self.shape[2]
        shape = tuple(map(int, group.integers("shape", 1, MAX_NEURONS, shape=(3,))))
        groups = group.integer("groups", 1, MAX_SMALL)
        if channels % groups or shape[0] % groups:
            raise group.fail(f"groups {groups} must divide {channels} and {shape[0]} channels")
        if _size(shape) > MAX_NEURONS:
            raise group.fail(f"shape {shape}: more than {MAX_NEURONS} neurons")
        weight = _weights(group, (shape[0], channels // groups, None, None))
        if not 1 <= min(weight.shape[2:]) <= max(weight.shape[2:]) <= MAX_SMALL:
            raise group.fail(f"kernel {weight.shape[2:]}: sides must be 1 to {MAX_SMALL}")
        layer = IntegerConv(
            np.ascontiguousarray(weight.transpose(2, 3, 1, 0)),
            _neuron(group.group("neuron")),
            strides=_pair(group, "stride", 1),
            padding=_pair(group, "padding", 0),
            dilation=_pair(group, "dilation", 1),
            groups=groups,
            bias=_bias(group, shape[0]),
        )
        computed = channels_first(layer.output_shape(self.shape))
        if computed != shape:
            raise group.fail(f"'shape' is {shape}, but the convolution gives {computed}")
        return layer


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def _weights(group: CheckedGroup, shape: tuple[int | None, ...]) -> np.ndarray:
    weight = group.integers("weight", MIN_WEIGHT, MAX_WEIGHT, shape=shape)
    low, high = weight.min(initial=0), weight.max(initial=0)
    # A synapse has eight bits and, where signs are mixed, one of them is the sign.
    if low < 0 < high and (low < -128 or high > 127) and np.any(weight % 2):
        raise group.fail(f"'weight' of both signs from {low} to {high} must be even")
    return weight.astype(np.int16)


def _delay(group: CheckedGroup, shape: tuple[int, ...]) -> np.ndarray | None:
    """(inputs, outputs), of the (outputs, inputs) that a file may also give in short."""
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
    return np.broadcast_to(delay, shape).T.astype(np.uint8)


def _bias(group: CheckedGroup, outputs: int) -> np.ndarray | None:
    if "bias" not in group:
        return None
    return group.integers("bias", MIN_BIAS, MAX_BIAS, shape=(outputs,)).astype(np.int32)


def _pair(group: CheckedGroup, name: str, low: int) -> tuple[int, int]:
    values = group.integers(name, low, MAX_SMALL, ndims=[0, 1]).ravel()
    if values.size not in (1, 2):
        raise group.fail(f"{name!r} must be one number or two (vertical, horizontal)")
    return int(values[0]), int(values[-1])


def _neuron(group: CheckedGroup) -> IntegerNeuron:
    kind = group.text("type")
    if kind not in ("CUBA", "LOIHI"):
        raise group.fail(f"type {kind!r}: only CUBA neurons are supported")
    if "refDelay" in group:
        group.integer("refDelay", 1, 1)
    if "gradedSpike" in group and group.flag("gradedSpike"):
        raise group.fail("'gradedSpike' must be false: spikes are 0 or 1")
    return IntegerNeuron(
        group.integer("iDecay", 0, DECAY_UNIT),
        group.integer("vDecay", 0, DECAY_UNIT),
        group.integer("vThMant", 0, MAX_THRESHOLD),
    )
