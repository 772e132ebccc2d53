"""Intel Loihi 1.

Sources: M. Davies et al., "Loihi: A Neuromorphic Manycore Processor with On-Chip Learning", IEEE
Micro 38(1), 2018; nengo-loihi 1.1.0, whose block and synapse formats name the same limits;
C.-K. Lin et al., "Programming Spiking Neural Networks on Intel's Loihi", IEEE Computer 51(3), 2018;
Intel's NxTF compiler (Rueckauer et al., 2021).
"""

import numpy as np

from keras_slayer import loihi
from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.mapping.loihi_cores import ASSUMPTIONS, connection_tiling
from keras_slayer.export.network import IntegerNeuron
from keras_slayer.export.simulation.simulator import LoihiSimulator
from keras_slayer.export.target import Format, Target
from keras_slayer.export.weight_grid import WeightGrid
from keras_slayer.neurons import CUBA, LoihiCUBA

CHIP = Chip(
    name="Loihi 1",
    cores=128,
    compartments=1024,
    input_axons=4096,
    output_axons=4096,
    synapse_words=16384,
    # nengo-loihi sets up 1024 compartments with 3 bits of delay.
    delay_slots=1024 << 3,
    weight_bits=(1, 2, 3, 4, 5, 6, 8),
    index_bits=(0, 6, 7, 8, 9, 10, 11, 12),
    base_range=256,
    tiling=connection_tiling,
    assumptions=(
        *ASSUMPTIONS,
        "Each bit of delay beyond 3 halves the neurons of a core (128 with 6 bits): inferred "
        "from the 1,024 neurons that it holds with 3 bits.",
    ),
)


def to_integers(neuron: LoihiCUBA) -> IntegerNeuron:
    return IntegerNeuron(
        int(neuron.current_decay), int(neuron.voltage_decay), int(neuron.threshold_mantissa)
    )


def to_neuron(neuron: IntegerNeuron) -> LoihiCUBA:
    return LoihiCUBA(neuron.threshold_mantissa, neuron.current_decay, neuron.voltage_decay)


def to_float(neuron: LoihiCUBA) -> CUBA:
    return CUBA(
        # The chip spikes above its threshold, CUBA at it.
        float(np.nextafter(np.float32(neuron.firing_threshold), np.float32(np.inf))),
        current_decay=neuron.current_decay / loihi.DECAY_UNIT,
        voltage_decay=neuron.voltage_decay / loihi.DECAY_UNIT,
        dt=neuron.dt,
    )


TARGET = Target(
    neuron=LoihiCUBA,
    to_integers=to_integers,
    to_neuron=to_neuron,
    to_float=to_float,
    grid=WeightGrid(loihi.WEIGHT_SCALE, loihi.MIN_WEIGHT, loihi.WEIGHT_BITS),
    max_delay=loihi.MAX_DELAY,
    synaptic_sum_limit=loihi.SYNAPTIC_SUM_LIMIT,
    chip=CHIP,
    simulator=LoihiSimulator.from_network,
    formats={
        "net": Format(
            name="net",
            writer="keras_slayer.export.formats.netx",
            reader="keras_slayer.export.formats.netx_reader",
        ),
        "nir": Format(
            name="nir",
            writer="keras_slayer.export.formats.nir",
            reader="keras_slayer.export.formats.nir_integers_reader",
        ),
    },
)
