"""How layers lie on the cores of Loihi, and what is assumed about it."""

from __future__ import annotations

from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.mapping.conv_tiling import ConvTiling
from keras_slayer.export.mapping.tiling import DenseTiling, Tiling
from keras_slayer.export.network import IntegerConv, IntegerDense

ASSUMPTIONS = (
    "The input takes no core: its spikes are injected from outside.",
    "The spikes of the last layer are read out from outside and take no output axons.",
    "A core holds neurons of one layer only; a neuron is one compartment.",
    "Every weight is stored, zeros too.",
    "Dense layers: one axon from each input neuron to each core, lists of synapses without index. "
    "As in nengo-loihi, the layer's need in one piece, divided by what a core has, sets the least "
    "number of cores.",
    "Convolutions: one population axon (two output slots) from each pixel to each core that it "
    "reaches, for all channels of the pixel; pixels that meet the same taps of the kernel share "
    "their lists of synapses, with an index for each synapse, as in nengo-loihi.",
    "Chips are filled one after the other, layer by layer.",
)


def layer_tiling(
    layer: IntegerDense | IntegerConv, input_shape: tuple[int, ...], chip: Chip, weight_bits: int
) -> Tiling:
    """``layer``, to be cut into cores of ``chip``."""
    if isinstance(layer, IntegerDense):
        return DenseTiling(layer, chip, weight_bits)
    return ConvTiling(layer, input_shape, chip, weight_bits)
