"""What a chip of neuron cores holds. The chips themselves are in ``export.targets``."""

from collections.abc import Callable
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
        tiling: ``(synapses, source shape, target shape, chip, weight_bits) -> Tiling``: what the
            synapses of a connection take on the cores that its target is cut into (tiling.py).
        assumptions: what the counts rest on, in sentences.
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
    tiling: Callable
    assumptions: tuple[str, ...]

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
