"""The ``.nir`` format: the Neuromorphic Intermediate Representation (neuroir.org, package nir).

Written is what snnTorch and Norse read as it is meant: Linear, Conv2d, SumPool2d and Flatten nodes,
and CubaLIF neurons with

    tau_syn = dt 4096 / current_decay     w_in = tau_syn / dt     v_leak = v_reset = 0
    tau_mem = dt 4096 / voltage_decay     r    = tau_mem / dt
    v_threshold = the next float32 above mantissa / 64

so that a forward Euler step of dt seconds is one of the float CUBA neuron (``keras_slayer.CUBA``):

    i[t] = (1 - current_decay / 4096) i[t-1] + z[t]
    v[t] = (1 - voltage_decay / 4096) v[t-1] + i[t],    a spike and v = 0 where v > mantissa / 64

The chip spikes strictly above its threshold. So do snnTorch and Norse; spikingjelly spikes at the
threshold as well. With the next float32 both do what the chip does where a voltage meets the
threshold exactly. The readers compute in floating point what the chip rounds, and take no step from
layer to layer. A file does not say how long a step is: snnTorch takes 1e-4 s,
``norse.torch.from_nir(graph, dt=1e-4)`` what it is told (1e-3 s if nothing). We keep it in the
graph's metadata.

Images are (channels, height, width) there and (height, width, channels) in Keras.
"""

import io
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_slayer.export.formats.netx import block_diagonal, channels_first, flatten_order
from keras_slayer.export.formats.nir_numbers import float32_above, float32_below
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerLayer,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.export.problems import Problem, refuse
from keras_slayer.files import write_whole
from keras_slayer.loihi import DECAY_UNIT, WEIGHT_SCALE

try:
    import nir
except ImportError as error:
    raise ImportError(
        f".nir files need the package nir, which cannot be loaded: {error}. Install it with "
        "`pip install nir`."
    ) from error

DT = 1e-4
"""Seconds per step: snnTorch's."""

NO_DECAY = 2.0**30
"""Time constant, in steps, of what does not decay: far beyond what float32 can tell from infinity,
which silences Norse."""

ROUNDING = 2.0**-24
"""Largest relative error of one operation in float32."""


def problems(network: IntegerNetwork, names: tuple[str, ...]) -> list[Problem]:
    """What NIR or its readers cannot hold of this network, by layer name."""
    found = []
    for name, layer in zip(names, network.layers, strict=True):
        if getattr(layer, "delay", None) is not None and layer.delay.any():
            found.append(
                Problem(
                    name,
                    f"its inputs are late by up to {layer.delay.max()} steps",
                    "no delays in .nir: snnTorch fails on them, Norse drops them",
                    "export to .net, or train without DelayLayer",
                )
            )
        if getattr(layer, "bias", None) is not None and layer.bias.any():
            found.append(
                Problem(
                    name,
                    "it has a bias",
                    "no bias in .nir: there it would add to the current, on the chip it adds to "
                    "the voltage",
                    "export to .net, or train without bias",
                )
            )
    return found


def write(network: IntegerNetwork, path: Path) -> None:
    """Writes ``network`` to ``path``; the file appears whole or not at all."""
    write_whole(path, to_bytes(network))


def to_bytes(network: IntegerNetwork) -> bytes:
    """The ``.nir`` file; the same network always gives the same bytes."""
    return file_of(to_nir(network))


def file_of(graph: nir.NIRGraph) -> bytes:
    """``graph`` as a file.

    A v_reset of 0 is left out: readers take 0 where it is missing, and nir up to 1.0.4, to which
    sinabs and Rockpool keep, refuses files with it.
    """

    class Pruned:
        def to_dict(self):
            tree = graph.to_dict()
            for node in tree["nodes"].values():
                if not np.any(node.get("v_reset", 1)):
                    del node["v_reset"]
            return tree

    file = io.BytesIO()
    nir.write(file, Pruned())
    return file.getvalue()


def to_nir(network: IntegerNetwork, dt: float = DT) -> nir.NIRGraph:
    """The network as a chain of nodes, for steps of ``dt`` seconds.

    Raises:
        ValueError: the network has ``problems``.
    """
    refuse(problems(network, tuple(f"layer {i}" for i in range(len(network.layers)))))
    shapes = list(network.shapes())
    nodes: list[nir.NIRNode] = [nir.Input(_shape(network.input_shape))]
    flattened = None  # the image shape that a flatten hides from the dense after it
    for layer, before, after in zip(network.layers, shapes, shapes[1:], strict=False):
        if isinstance(layer, IntegerFlatten):
            nodes.append(nir.Flatten(_shape(before), start_dim=0, end_dim=-1))
            flattened = before if len(before) == 3 else flattened
            continue
        nodes += _synapses(layer, before, flattened)
        nodes.append(_neurons(layer, _shape(after), dt))
        flattened = None
    nodes.append(nir.Output(_shape(network.output_shape)))
    graph = nir.NIRGraph.from_list(nodes)
    graph.metadata = {"dt": dt}
    return graph


def _shape(shape: tuple[int, ...]) -> np.ndarray:
    return np.array(channels_first(shape))


def _synapses(
    layer: IntegerLayer, shape: tuple[int, ...], flattened: tuple[int, ...] | None
) -> list[nir.NIRNode]:
    if isinstance(layer, IntegerDense):
        order = flatten_order(flattened) if flattened else slice(None)
        return [nir.Linear(_weight(layer.weight[order].T))]
    if _is_pool(layer):
        window = layer.weight.shape[:2], layer.strides, layer.padding
        return [nir.SumPool2d(*map(np.array, window))]
    return [_conv2d(conv, before) for conv, before in _as_square(layer, shape)]


def _weight(integers: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(integers, np.float32) / WEIGHT_SCALE


def _neurons(layer: IntegerDense | IntegerConv, shape: np.ndarray, dt: float) -> nir.CubaLIF:
    neuron: IntegerNeuron = layer.neuron
    synapse, membrane = (
        DECAY_UNIT / decay if decay else NO_DECAY
        for decay in (neuron.current_decay, neuron.voltage_decay)
    )
    # SumPool2d leaves out the weight: a factor on all inputs of a layer is one on its voltages.
    unit = int(layer.weight.flat[0]) if _is_pool(layer) else WEIGHT_SCALE
    values = {
        "tau_syn": dt * synapse,
        "tau_mem": dt * membrane,
        "r": _gain(membrane, dt),
        "v_leak": 0.0,
        "v_threshold": float32_above(neuron.threshold_mantissa / unit),
        "w_in": _gain(synapse, dt),
        "v_reset": 0.0,
    }
    return nir.CubaLIF(**{name: np.full(shape, value) for name, value in values.items()})


def _gain(tau: float, dt: float) -> float:
    """``tau``, a time constant in steps, as the factor that undoes a reader's dt / tau.

    Inputs are multiples of 1/64, and their sum meets a threshold exactly now and then. Norse
    computes gain (dt (1 / tau)) in float32: where that rounds up, such a neuron would spike. So the
    gain is smaller than tau, by less than one part in a million, unless the product is exact.
    """
    step = float(np.float32(dt) * (np.float32(1) / np.float32(tau * dt)))
    exact = step * tau == 1 and float32_below(tau) == tau
    return tau if exact else float32_below(1 / (step * (1 + ROUNDING)))


def _is_pool(layer: IntegerDense | IntegerConv) -> bool:
    """Whether SumPool2d does the same but for one positive weight, which is left to the threshold.

    The readers ignore its padding, and multiply a mean by the number of taps, which has to give
    whole numbers (it does not for 5 x 5).
    """
    if not isinstance(layer, IntegerConv):
        return False
    height, width, share, filters = layer.weight.shape
    taps = np.float32(height * width)
    sums = np.arange(taps + 1, dtype=np.float32)
    return (
        share == 1
        and filters == layer.groups
        and layer.weight.min() == layer.weight.max() > 0
        and tuple(layer.padding) == (0, 0)
        and tuple(layer.dilation) == (1, 1)
        and np.array_equal(sums / taps * taps, sums)
    )


def _as_square(
    layer: IntegerConv, shape: tuple[int, ...]
) -> list[tuple[IntegerConv, tuple[int, ...]]]:
    """Convolutions in a row, and their input shapes, that nir's shape check and the readers accept.

    Those have one group and square kernels: nir takes the height of a kernel for its width as well.
    The shorter side is filled up with zeros, on both sides of its taps where that keeps the size of
    the output, else before them. The latter adds rows and columns at the end of the output, which a
    second convolution drops.
    """
    layer = replace(layer, weight=block_diagonal(layer.weight, layer.groups), groups=1)
    sides, wanted = layer.weight.shape[:2], layer.output_shape(shape)
    missing = [max(sides) - side for side in sides]
    for before in itertools.product(*((n // 2, n - n // 2) for n in missing)):
        square = _filled(layer, before, max(sides))
        if square.output_shape(shape) == wanted:
            return [(square, shape)]
    # Enough zeros for at least one output more on either axis.
    more = max(-(-s // d) for s, d in zip(layer.strides, layer.dilation, strict=True))
    square = _filled(layer, [n + more for n in missing], max(sides) + more)
    large = square.output_shape(shape)
    first = np.zeros((2, 2, wanted[2], wanted[2]), np.int16)
    first[0, 0] = WEIGHT_SCALE * np.eye(wanted[2])
    drop = IntegerConv(first, layer.neuron, dilation=(large[0] - wanted[0], large[1] - wanted[1]))
    return [(square, shape), (drop, large)]


def _filled(layer: IntegerConv, before: tuple[int, int] | list[int], side: int) -> IntegerConv:
    """With a kernel of ``side``, ``before`` zeros ahead of its taps, and these where they were."""
    zeros = [(b, side - b - n) for b, n in zip(before, layer.weight.shape[:2], strict=True)]
    ahead = zip(layer.padding, before, layer.dilation, strict=True)
    return replace(
        layer,
        weight=np.pad(layer.weight, [*zeros, (0, 0), (0, 0)]),
        padding=tuple(p + b * d for p, b, d in ahead),
    )


def _conv2d(layer: IntegerConv, shape: tuple[int, ...]) -> nir.Conv2d:
    return nir.Conv2d(
        input_shape=tuple(shape[:2]),
        weight=_weight(layer.weight.transpose(3, 2, 0, 1)),
        stride=tuple(layer.strides),
        padding=tuple(layer.padding),
        dilation=tuple(layer.dilation),
        groups=1,
        bias=np.zeros(layer.weight.shape[3], np.float32),
    )
