"""What a run would cost on Loihi, from counts and published energies."""

from __future__ import annotations

from dataclasses import dataclass

SYNAPTIC_OPERATION = 23.6e-12
ACTIVE_UPDATE = 81e-12
IDLE_UPDATE = 52e-12
SPIKE = 1.7e-12
SOURCE = (
    "Davies et al., Loihi: a neuromorphic manycore processor with on-chip learning, IEEE Micro "
    "38(1), 2018, table 2: 23.6 pJ per synaptic operation (the least), 81 pJ per update of a "
    "neuron that spikes, 52 pJ of one that does not, 1.7 pJ per spike within a tile"
)
"""Where the constants come from. They are for Loihi 1; hops between tiles, spikes from outside,
leakage and the processors beside the cores are not in them."""


@dataclass(frozen=True)
class Energy:
    """Joules by cause; numbers, or arrays of one number per sample."""

    synapses: float
    neurons: float
    spikes: float

    @property
    def total(self) -> float:
        return self.synapses + self.neurons + self.spikes


def estimate(neurons: int, steps: int, spikes, synaptic_operations) -> Energy:
    """Dynamic energy of one layer.

    E = 23.6 pJ synaptic_operations + 81 pJ spikes + 52 pJ (neurons steps - spikes) + 1.7 pJ spikes,
    every neuron being updated in every step.

    Args:
        neurons: neurons of the layer.
        steps: steps of the run, over all samples.
        spikes: spikes of the layer, a number or an array.
        synaptic_operations: synapses that input spikes met, likewise.
    """
    return Energy(
        synapses=SYNAPTIC_OPERATION * synaptic_operations,
        neurons=ACTIVE_UPDATE * spikes + IDLE_UPDATE * (neurons * steps - spikes),
        spikes=SPIKE * spikes,
    )
