"""What a simulated network did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_slayer.export.simulation.energy import Energy, estimate


@dataclass(frozen=True, eq=False)
class LayerRecord:
    """What one population of neurons did during a run.

    Attributes:
        name: of the population; "layer 0", "layer 1", ... in a chain, flattens counted.
        index: position in ``simulator.network.layers``, or among the populations of a graph.
        type: "dense" or "conv", the synapses that lead to it; "mixed" for both, "source" for none.
        neurons, steps: how many, and for how long.
        spike_counts: int64 (batch,), spikes of the layer.
        synaptic_operations: int64 (batch,), synapses with a weight other than zero that input
            spikes met, within the run (spikes of the last step would arrive after it).
        spikes: float32 (batch, time, *shape) if probed.
        current, voltage: int64, same shape, if probed: the chip's u and v at the end of each step
            (v after its reset).
    """

    name: str
    index: int
    type: str
    neurons: int
    steps: int
    spike_counts: np.ndarray
    synaptic_operations: np.ndarray
    spikes: np.ndarray | None = None
    current: np.ndarray | None = None
    voltage: np.ndarray | None = None

    @property
    def energy(self) -> Energy:
        """Estimated joules, arrays (batch,); equation and source in ``simulation.energy``."""
        return estimate(self.neurons, self.steps, self.spike_counts, self.synaptic_operations)


@dataclass(frozen=True, eq=False)
class SimulationRecord:
    """Output spikes, and a record for each population.

    Attributes:
        spikes: float32 (batch, time, *output_shape); a list of these where there are several
            outputs.
        layers: in the order of computation.
    """

    spikes: np.ndarray | list[np.ndarray]
    layers: tuple[LayerRecord, ...]

    @property
    def energy(self) -> np.ndarray:
        """Estimated joules of all layers, (batch,)."""
        return np.sum([layer.energy.total for layer in self.layers], axis=0)
