"""How connections lie on the cores of Loihi, and what is assumed about it."""

from __future__ import annotations

from keras_slayer.export.graph import DenseSynapses, Shape, Synapses
from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.mapping.conv_tiling import ConvTiling
from keras_slayer.export.mapping.tiling import DenseTiling, Tiling

ASSUMPTIONS = (
    "The input takes no core: its spikes are injected from outside.",
    "Spikes that are read out from outside, such as those of the last layer, take no output axons.",
    "A core holds neurons of one layer only; a neuron is one compartment.",
    "Every weight is stored, zeros too.",
    "Dense layers: one axon from each input neuron to each core, lists of synapses without index. "
    "As in nengo-loihi, the layer's need in one piece, divided by what a core has, sets the least "
    "number of cores.",
    "Convolutions: one population axon (two output slots) from each pixel to each core that it "
    "reaches, for all channels of the pixel; pixels that meet the same taps of the kernel share "
    "their lists of synapses, with an index for each synapse, as in nengo-loihi.",
    "Where several connections lead to a layer, each has axons and synapses of its own; the "
    "longest delay among them sets the room that a neuron takes.",
    "A layer that feeds itself takes input axons, output axons and synapses for that, within a "
    "core, too.",
    "Chips are filled one after the other, layer by layer.",
)


def connection_tiling(
    synapses: Synapses, source: Shape, target: Shape, chip: Chip, weight_bits: int
) -> Tiling:
    """``synapses`` from a shape to a shape, on the cores of ``chip``."""
    if isinstance(synapses, DenseSynapses):
        return DenseTiling(synapses, chip, weight_bits)
    return ConvTiling(synapses, source, target, chip, weight_bits)
