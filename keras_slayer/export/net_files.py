"""``read_net`` and ``from_net``: ``.net`` files, lava-dl's or ours, as integers or as a model."""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras

from keras_slayer.export import graph_layers
from keras_slayer.export.formats.netx_reader import read_network
from keras_slayer.export.graph import IntegerGraph
from keras_slayer.export.keras_layers import keras_layers
from keras_slayer.export.network import IntegerNetwork
from keras_slayer.export.problems import Problem
from keras_slayer.export.targets import get_target


def read_net(
    path: str | os.PathLike, input_shape: Sequence[int] | None = None
) -> IntegerNetwork | IntegerGraph:
    """The network in a ``.net`` file in the chip's integers: what ``LoihiSimulator`` runs.

    Read are the files that ``model.export_loihi`` writes, and those of lava-dl: of the blocks
    ``Input``, ``Dense``, ``Recurrent``, ``Conv``, ``Pool``, ``Flatten`` and ``Affine`` of
    ``lava.lib.dl.slayer.block.cuba``, or in any other form that its loader ``lava.lib.dl.netx``
    takes. What the loader would misread is an error that says why.

    Weights of lava-dl are integers, 64 times the float weight, multiples of 2 from -256 to 254;
    decays are integers / 4096, thresholds integers / 64. A file has no other scale: a
    ``weight_exp``, which the loader ignores, is refused.

    Args:
        path: the file.
        input_shape: (inputs,) or (height, width, channels), without batch and time. Needed where
            the file does not say it: a network without an input layer that begins with a
            convolution, pooling or flatten.

    Returns:
        IntegerNetwork with ``input_shape``, ``output_shape`` and ``layers``. Images have their
        channels last; weights are int16 (inputs, outputs) or (height, width, channels / groups,
        filters), delays uint8 (inputs, outputs). A last layer without neurons (``Affine``) has
        neurons that add up currents and never spike. Where a layer is recurrent, an
        ``IntegerGraph`` of the populations "layer 0", "layer 1", ...: the loop of lava-dl takes one
        step, as the way to the next layer does.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not HDF5, damaged, larger than it may be, or not a network that the chip runs
            as written. The message names file, layer and data set.

    Example:

    >>> network = keras_slayer.export.read_net("lava_dl.net")
    >>> simulator = keras_slayer.export.LoihiSimulator.from_network(network)
    """
    return read_network(path, input_shape)


def from_net(path: str | os.PathLike, input_shape: Sequence[int] | None = None) -> keras.Model:
    """The network in a ``.net`` file as a Keras model that computes it to the bit, and trains.

    ``model.predict(x)`` equals ``LoihiSimulator(path).run(x)``. The layers are ``SpikingDense`` and
    ``SpikingConv2D`` of ``LoihiCUBA`` neurons, ``Flatten`` and ``DelayLayer``; ``export_loihi``
    writes the model again. Three things look different then:

    - Delays of a layer's outputs become a ``DelayLayer`` after its neurons, which the next dense
      layer takes up. After the last layer the host has to apply them.
    - A convolution whose padding is neither "valid" nor "same" gets taps of zeros where that makes
      it "same", which training may change. Otherwise ``PerStep(ZeroPadding2D)`` comes
      before it.
    - One with strides and dilation gets its dilation as taps of zeros.

    Args:
        path: the file.
        input_shape: as for ``read_net``.

    Returns:
        keras.Sequential from (batch, time, *input_shape) to (batch, time, *output_shape), built.

    Raises:
        FileNotFoundError, ValueError: as ``read_net``.
        ValueError: what no layer computes: weights off the grid of 8 bits and sign, delays of
            single synapses, layers that never spike, lava-dl's recurrent layers, whose loop takes
            one step where that of ``SpikingRecurrentDense`` takes two. The message lists all of it.

    Example:

    >>> model = keras_slayer.export.from_net("lava_dl.net")
    >>> model.compile("adam", keras_slayer.losses.SpikeCountLoss(60, 10))
    """
    network = read_net(path, input_shape)
    if isinstance(network, IntegerGraph):
        model, problems = graph_layers.keras_model(network, get_target("loihi2"))
        _refuse(problems, path)
        return model
    layers, problems = keras_layers(network, get_target("loihi2"))
    _refuse(problems, path)
    return keras.Sequential([keras.Input((None, *network.input_shape)), *layers])


def _refuse(problems: list[Problem], path: str | os.PathLike) -> None:
    if not problems:
        return
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    lines = "\n".join(f"  - {problem}" for problem in problems)
    raise ValueError(
        f"The network cannot be made a Keras model ({count}):\n{lines}\n"
        f"Received: path={os.fspath(path)!r}"
    )
