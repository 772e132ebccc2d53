"""Shows nengo-loihi 1.1.0 the cores that a mapping places, and lets it cut the layers itself.

    python run_nengo_loihi.py placed.npz

``placed.npz`` holds ``description``, a JSON text, and the weights of each layer (``weight_0``, ...)
in Keras' order. The description:

    layers: for each layer with neurons "shape" (of its neurons), "weight_bits", "delay_bits" and,
        for a convolution, "input_shape", "strides", "padding", "dilation", "groups"
    cores: for each core "layer" and "ranges", (start, stop) for each axis of the shape
    split: whether nengo-loihi should also cut the whole layers into tiles of the same shape

Every core becomes a LoihiBlock with its weights as they lie in its memory and its axons to the
cores of the next layer. Prints one JSON line:

    cores: nengo-loihi's count of each core (compartments, in-axons, out-axons, synapses in bits)
    errors: what its validate_block found, as [core, message]
    dense_cores: for each layer the number of cores that its split_block chooses; null if not dense
    split_cores: its counts after split_model, if asked for

Needs nengo and nengo-loihi, and none of TensorFlow, Keras or keras_slayer.
"""

import itertools
import json
import sys
import warnings
from types import SimpleNamespace

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # nengo 4 is newer than what nengo-loihi 1.1.0 was tested with
    from nengo.exceptions import BuildError
    from nengo_loihi.block import Axon, LoihiBlock, Synapse, SynapseConfig
    from nengo_loihi.builder.builder import ValidationLevel
    from nengo_loihi.builder.split_blocks import split_block, split_model
    from nengo_loihi.builder.validate import validate_block
    from nengo_loihi.config import BlockShape

MAX_BASE = 256  # the offset of a population axon
POP_TYPE = 32  # nengo-loihi's default


def is_conv(layer):
    return len(layer["shape"]) == 3


def whole(layer):
    return [[0, n] for n in layer["shape"]]


def neurons_of(layer, ranges):
    """Indices (neurons, axes) of the neurons of a core, last axis fastest."""
    return np.stack(np.meshgrid(*(np.arange(*r) for r in ranges), indexing="ij"), -1).reshape(
        -1, len(ranges)
    )


def input_channels(layer, ranges):
    """(start, stop) of the input channels that the channels of a core see."""
    filters = layer["shape"][2] // layer["groups"]
    channels = layer["input_shape"][2] // layer["groups"]
    start, stop = ranges[2]
    return start // filters * channels, -(-stop // filters) * channels


class CoreBlock:
    """One core as nengo-loihi sees it; ``axon_of`` maps an input pixel or neuron to its axon."""

    def __init__(self, layer, weight, ranges):
        self.layer, self.ranges = layer, ranges
        self.neurons = neurons_of(layer, ranges)
        self.block = LoihiBlock(len(self.neurons), label=str(ranges))
        if is_conv(layer):
            self.synapse = self.shared_weights(weight)
        else:
            self.axon_of = {i: i for i in range(len(weight))}
            self.synapse = Synapse(len(weight))
            self.synapse.set_weights(weight[:, slice(*ranges[0])])
        self.synapse.format(
            weight_bits=SynapseConfig.WEIGHT_BITS_MAP.index(layer["weight_bits"]),
            delay_bits=layer["delay_bits"],
        )
        self.block.add_synapse(self.synapse)

    def shared_weights(self, weight):
        """Population weights: one list for all pixels that meet the same taps."""
        layer = self.layer
        height, width, _ = layer["input_shape"]
        strides, padding, dilation = layer["strides"], layer["padding"], layer["dilation"]
        meets = {}  # input pixel -> [(row, column, tap row, tap column)]
        for row, column in itertools.product(*(range(*r) for r in self.ranges[:2])):
            for tap in np.ndindex(*weight.shape[:2]):
                i = row * strides[0] - padding[0] + tap[0] * dilation[0]
                j = column * strides[1] - padding[1] + tap[1] * dilation[1]
                if 0 <= i < height and 0 <= j < width:
                    meets.setdefault((i, j), []).append((row, column, *tap))
        compartment = {tuple(n): i for i, n in enumerate(self.neurons.tolist())}
        group_filters = layer["shape"][2] // layer["groups"]
        group_channels = weight.shape[2]
        first_filter, last_filter = self.ranges[2]
        lists, weights, indices, weight_of, bases = {}, [], [], [], []
        self.axon_of = {}
        for pixel, targets in sorted(meets.items()):
            lowest = compartment[(*targets[0][:2], first_filter)]
            base = lowest % MAX_BASE
            ww, ii = [], []
            for channel in range(*input_channels(layer, self.ranges)):
                group = channel // group_channels
                filters = range(
                    max(first_filter, group * group_filters),
                    min(last_filter, (group + 1) * group_filters),
                )
                of_group = channel - group * group_channels
                ww.append(
                    [weight[kr, kc, of_group, f] for _, _, kr, kc in targets for f in filters]
                )
                ii.append(
                    [compartment[(r, c, f)] - base for r, c, _, _ in targets for f in filters]
                )
            key = (tuple(t[2:] for t in targets), tuple(map(tuple, ii)))
            if key not in lists:
                lists[key] = len(weights)
                weights.append(np.array(ww, np.float32))
                indices.append(np.array(ii, np.int32))
            self.axon_of[pixel] = len(bases)
            weight_of.append(lists[key])
            bases.append(base)
        synapse = Synapse(len(bases))
        synapse.set_population_weights(
            weights, indices, np.array(weight_of), np.array(bases), pop_type=POP_TYPE
        )
        return synapse

    def connect(self, target):
        """Axons of this core's neurons to the core ``target`` of the next layer, if it has any."""
        if is_conv(target.layer):
            start, stop = input_channels(target.layer, target.ranges)
            sees = (self.neurons[:, 2] >= start) & (self.neurons[:, 2] < stop)
            atoms = np.where(sees, self.neurons[:, 2] - start, 0)
            pixels = map(tuple, self.neurons[:, :2].tolist())
            axons = np.array([target.axon_of.get(pixel, -1) for pixel in pixels])
            axons = np.where(sees, axons, -1)
        else:
            place = np.ravel_multi_index(tuple(self.neurons.T), self.layer["shape"])
            axons = np.array([target.axon_of[i] for i in place.tolist()])
            atoms = np.zeros_like(axons)
        count = np.unique(axons[axons >= 0]).size
        if count:
            axon = Axon(count)
            axon.target = target.synapse
            axon.set_compartment_axon_map(axons, atoms=atoms)
            self.block.add_axon(axon)


def count(block):
    return {name: int(used) for name, (used, _) in block.utilization().items()}


def validate(blocks):
    errors = []
    for i, block in enumerate(blocks):
        try:
            validate_block(block)
        except (BuildError, AssertionError) as error:
            errors.append([i, str(error)])
    return errors


def whole_layers(layers, weights):
    """Each layer as one block, however large, connected to the next."""
    cores = [CoreBlock(layer, w, whole(layer)) for layer, w in zip(layers, weights, strict=True)]
    for core, target in itertools.pairwise(cores):
        core.connect(target)
    return cores


def dense_cores(layers, weights):
    blocks = [core.block for core in whole_layers(layers, weights)]
    return [
        None if is_conv(layer) else len(split_block(block, {}))
        for layer, block in zip(layers, blocks, strict=True)
    ]


def split(layers, weights, cores):
    """nengo-loihi's own split of the whole network into tiles as large as the first of each."""
    blocks = [core.block for core in whole_layers(layers, weights)]
    tiles = {}
    for core in cores:
        tiles.setdefault(core["layer"], tuple(stop - start for start, stop in core["ranges"]))
    model = SimpleNamespace(
        blocks={block: i for i, block in enumerate(blocks)},
        block_shapes={
            block: BlockShape(tiles[i], tuple(layers[i]["shape"])) for i, block in enumerate(blocks)
        },
        inputs=[],
        probes=[],
        objs={},
        validation_level=ValidationLevel.FULL,
    )
    split_model(model)
    return [count(block) for block in model.blocks]


def main(path):
    with np.load(path) as file:
        description = json.loads(str(file["description"]))
        layers = description["layers"]
        weights = [file[f"weight_{i}"].astype(np.float32) for i in range(len(layers))]
    placed = [
        CoreBlock(layers[core["layer"]], weights[core["layer"]], core["ranges"])
        for core in description["cores"]
    ]
    of_layer = {}
    for core, block in zip(description["cores"], placed, strict=True):
        of_layer.setdefault(core["layer"], []).append(block)
    for layer, blocks in of_layer.items():
        for block, target in itertools.product(blocks, of_layer.get(layer + 1, [])):
            block.connect(target)
    blocks = [core.block for core in placed]
    result = {
        "cores": [count(block) for block in blocks],
        "errors": validate(blocks),
        "dense_cores": dense_cores(layers, weights),
    }
    if description["split"]:
        result["split_cores"] = split(layers, weights, description["cores"])
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
