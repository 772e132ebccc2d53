"""What was measured on calibration data."""

from __future__ import annotations

from dataclasses import dataclass

from keras_slayer.export.simulation import energy

RASTER_SPIKES = 4000
"""Most spikes of one raster that are kept for drawing."""


@dataclass(frozen=True)
class Variant:
    """One way to run the network, compared with the model as it was given.

    Attributes:
        name: "as given", "float", "quantised" or "chip".
        accuracy: share of samples whose label the network decides for; None without labels.
        spikes: output spikes per sample.
        differing: output spikes that are not those of the model as given.
        of: neurons times steps that were compared.
        same_decision: share of samples with the decision of the model as given; None where the
            output is no vector of classes.
    """

    name: str
    accuracy: float | None
    spikes: float
    differing: int
    of: int
    same_decision: float | None


@dataclass(frozen=True)
class LayerActivity:
    """One layer with neurons, per sample.

    Attributes:
        name: of the Keras layer.
        spikes: per sample.
        rate: spikes per neuron and step.
        silent: share of neurons that never fired on the data.
        synaptic_operations: synapses that spikes met, per sample.
        energy: estimated joules per sample (``keras_slayer.export.simulation.energy``).
        differing: spikes of Keras' layer with the chip's weights that are not the simulator's.
        of: neurons times steps that were compared.
    """

    name: str
    spikes: float
    rate: float
    silent: float
    synaptic_operations: float
    energy: float
    differing: int
    of: int


@dataclass(frozen=True)
class Raster:
    """Spikes of one layer in the first sample, as (steps, neurons), from Keras and from the chip.

    At most RASTER_SPIKES of each, of ``keras_spikes`` and ``chip_spikes`` that there were;
    ``neurons`` counts in Keras' order.
    """

    name: str
    neurons: int
    steps: int
    keras: tuple[tuple[int, ...], tuple[int, ...]]
    chip: tuple[tuple[int, ...], tuple[int, ...]]
    keras_spikes: int
    chip_spikes: int


@dataclass(frozen=True)
class Calibration:
    """What a model and its export did on calibration data.

    Attributes:
        samples, steps: how much data.
        variants: the network in its forms.
        layers: activity on the chip, and agreement with Keras, layer by layer.
        rasters: input (named "input") and layers of the first sample.
        energy: estimated joules per sample, all of the chip's neurons: those of the layers, relays
            and constant sources.
        energy_source: where the energies come from and what they leave out.
    """

    samples: int
    steps: int
    variants: tuple[Variant, ...]
    layers: tuple[LayerActivity, ...]
    rasters: tuple[Raster, ...]
    energy: float
    energy_source: str = energy.SOURCE

    @property
    def differing(self) -> int:
        """Spikes, over all layers, of Keras with the chip's weights that are not the chip's."""
        return sum(layer.differing for layer in self.layers)
