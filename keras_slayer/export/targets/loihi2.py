"""Intel Loihi 2.

Source: Intel, "Taking Neuromorphic Computing to the Next Level with Loihi 2", technology brief,
2021. It publishes cores, neurons and memory; what it does not is among the assumptions.
"""

from dataclasses import replace

from keras_slayer.export.mapping.loihi_cores import ASSUMPTIONS
from keras_slayer.export.targets import loihi1

CHIP = replace(
    loihi1.CHIP,
    name="Loihi 2",
    compartments=8192,
    delay_slots=8192 << 3,
    index_bits=(*loihi1.CHIP.index_bits, 13),
    base_range=8192,
    assumptions=(
        *ASSUMPTIONS,
        "Axons and the layout of synapses on Loihi 2 are not published: 4,096 input and 4,096 "
        "output axons per core and the formats of Loihi 1 are assumed.",
        "Shared synapses can be shifted to any neuron of a core of Loihi 2: assumed.",
        "Each bit of delay beyond 3 halves the neurons of a core: assumed as for Loihi 1.",
    ),
)

TARGET = replace(loihi1.TARGET, chip=CHIP)
