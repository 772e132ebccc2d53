"""The figures of a report, for the modules that turn them into text and pages."""

from __future__ import annotations

from dataclasses import dataclass

from keras_slayer.export.mapping.mapping import Mapping
from keras_slayer.export.report.calibration import Calibration
from keras_slayer.export.report.wiring import Wiring
from keras_slayer.export.weight_grid import WeightDamage


@dataclass(frozen=True)
class LayerReport:
    """One layer of the exported network.

    Attributes:
        name, type: of the Keras layer.
        neurons: neurons on the chip.
        weights: distinct weights (those of a convolution are shared by its positions).
        zero_weights: weights that are zero on the chip.
        changed_weights: weights whose trained value is not exactly the chip's.
        out_of_range_weights: weights whose trained value lies beyond the range of the chip's.
        weight_bits: bits of a weight, without the sign.
        exact: whether the chip's weights are those of the model's forward pass.
        threshold_mantissa, current_decay, voltage_decay: parameters of the neurons.
        largest_delay: steps beyond the one that every layer takes.
        constant_error: the most by which the constant input that a bias or a normalisation gives
            differs on the chip from the trained one.
        largest_synaptic_sum: weights of one neuron added up, worst case, if all inputs of one sign
            spike in one step.
        histogram: (integer weight, how many), ascending.
    """

    name: str
    type: str
    neurons: int = 0
    weights: int = 0
    zero_weights: int = 0
    changed_weights: int = 0
    out_of_range_weights: int = 0
    weight_bits: int | None = None
    exact: bool = True
    threshold_mantissa: int | None = None
    current_decay: int | None = None
    voltage_decay: int | None = None
    largest_delay: int = 0
    constant_error: float = 0.0
    largest_synaptic_sum: int = 0
    histogram: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class ReportData:
    """What :func:`keras_slayer.export.export_loihi` wrote, in figures.

    Attributes:
        path, format, file_bytes: the file; None, the format and 0 after a dry run.
        chip: "Loihi 2" or "Loihi 1".
        input_shape, output_shape: of the network on the chip, without batch and time; of several
            inputs or outputs all shapes.
        synaptic_sum_limit: largest sum of weights that a neuron of the chip takes in one step.
        latency_steps: steps from an input spike to the first output spike it can cause, delays
            aside.
        exact: whether every weight is the very one of the model's forward pass, so that the
            network spikes exactly as the model does.
        converted: whether the neurons were another kind and had to be converted.
        layers: one report per layer.
        widths: what 1 to 8 bits do to the weights of the forward pass, all layers together.
        host_layers: layers after the last spiking one, which run on the host.
        mapping: where the layers lie on the chip (:class:`Mapping`).
        calibration: what was measured on calibration data (:class:`Calibration`).
        warnings: what may differ on a chip.
        wiring: what leads where, and the steps that it takes (:class:`Wiring`).
    """

    path: str | None
    format: str
    file_bytes: int
    chip: str
    input_shape: tuple
    output_shape: tuple
    synaptic_sum_limit: int
    latency_steps: int
    exact: bool
    converted: bool
    layers: tuple[LayerReport, ...]
    widths: tuple[WeightDamage, ...]
    host_layers: tuple[str, ...]
    mapping: Mapping
    calibration: Calibration | None = None
    warnings: tuple[str, ...] = ()
    wiring: Wiring | None = None
