"""What a neuron core of Intel Loihi holds.

Sources of the figures:

- Loihi 1: M. Davies et al., "Loihi: A Neuromorphic Manycore Processor with On-Chip Learning",
  IEEE Micro 38(1), 2018; nengo-loihi 1.1.0, whose block and synapse formats name the same limits;
  C.-K. Lin et al., "Programming Spiking Neural Networks on Intel's Loihi", IEEE Computer 51(3),
  2018, and Intel's NxTF compiler (Rueckauer et al., 2021).
- Loihi 2: Intel, "Taking Neuromorphic Computing to the Next Level with Loihi 2", technology brief,
  2021. It publishes cores, neurons and memory; what it does not is named in ``Chip.inferred``.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """Limits of one chip. All but ``cores`` are per core.

    Attributes:
        name: as the reports print it.
        cores: neuron cores on a chip.
        compartments: neurons (this package makes one compartment of each).
        input_axons: entries of the table of incoming axons.
        output_axons: slots of the table of outgoing axons.
        synapse_words: words of 64 bit of synaptic memory.
        delay_slots: accumulators of delayed synaptic input. A neuron whose synapses have b bits of
            delay takes 2**b of them.
        weight_bits: bits that a stored weight can have (with mixed signs, one of them is the sign,
            and the step doubles: the integers -256 ... 254 take 8).
        index_bits: bits that the index of a synapse's neuron can have.
        base_range: an axon shifts the indices of the synapses that it shares by 0 ...
            base_range - 1 neurons.
        inferred: statements about this chip that rest on no published figure.
    """

    name: str
    cores: int
    compartments: int
    input_axons: int
    output_axons: int
    synapse_words: int
    delay_slots: int
    weight_bits: tuple[int, ...]
    index_bits: tuple[int, ...]
    base_range: int
    inferred: tuple[str, ...] = ()

    @property
    def synaptic_memory_bits(self) -> int:
        return 64 * self.synapse_words

    def compartments_with(self, delay_bits: int) -> int:
        """Neurons that fit on a core if their synapses have ``delay_bits`` bits of delay."""
        return min(self.compartments, self.delay_slots >> delay_bits)

    def stored_weight_bits(self, weight_bits: int) -> int:
        """Bits of memory of a weight of ``weight_bits``: the next larger format.

        Raises:
            ValueError: no format has that many bits.
        """
        for bits in self.weight_bits:
            if bits >= weight_bits >= 1:
                return bits
        raise ValueError(
            f"weight_bits must be 1 to {self.weight_bits[-1]} on {self.name}. "
            f"Received: weight_bits={weight_bits!r}"
        )

    def stored_index_bits(self, largest: int) -> int:
        """Bits of memory of an index that goes up to ``largest``."""
        needed = int(largest).bit_length()
        return next((bits for bits in self.index_bits if bits >= needed), needed)


LOIHI1 = Chip(
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
    inferred=(
        "Each bit of delay beyond 3 halves the neurons of a core (128 with 6 bits): inferred "
        "from the 1,024 neurons that it holds with 3 bits.",
    ),
)

LOIHI2 = Chip(
    name="Loihi 2",
    cores=128,
    compartments=8192,
    input_axons=4096,
    output_axons=4096,
    synapse_words=16384,
    delay_slots=8192 << 3,
    weight_bits=LOIHI1.weight_bits,
    index_bits=(*LOIHI1.index_bits, 13),
    base_range=8192,
    inferred=(
        "Axons and the layout of synapses on Loihi 2 are not published: 4,096 input and 4,096 "
        "output axons per core and the formats of Loihi 1 are assumed.",
        "Shared synapses can be shifted to any neuron of a core of Loihi 2: assumed.",
        "Each bit of delay beyond 3 halves the neurons of a core: assumed as for Loihi 1.",
    ),
)

CHIPS = {"loihi1": LOIHI1, "loihi2": LOIHI2}


def get_chip(name: str) -> Chip:
    """The chip called ``name``: "loihi1" or "loihi2".

    Raises:
        ValueError: another name.
    """
    if name not in CHIPS:
        raise ValueError(f"chip must be one of {tuple(CHIPS)}. Received: chip={name!r}")
    return CHIPS[name]
