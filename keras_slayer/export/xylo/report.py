"""What an export did: as text for people, as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from keras_slayer.export.report.tables import table
from keras_slayer.export.xylo.chip import (
    HIDDEN,
    INPUTS,
    MAX_FANOUT,
    NAME,
    OUTPUTS,
    STATE_MAX,
    SYNAPSES,
    WEIGHT_BITS,
)


@dataclass(frozen=True)
class LayerReport:
    """One layer with neurons.

    Attributes:
        name: of the Keras layer.
        neurons: on the chip.
        recurrent: whether they feed each other.
        weights: of their inputs, and of their loops.
        zero: weights that are 0 on the chip.
        clipped: trained weights beyond the chip's range.
        rounded: weights of the forward pass that are others on the chip. 0 where the layer trained
            with the chip's weights.
        exact: whether neurons see on the chip what they saw in the forward pass.
        threshold, dash_syn, dash_mem: of the neurons, the chip's integers.
        fan_out: most hidden neurons that one of them reaches.
        largest_current: bound of the synaptic current, if each input spikes at most once per step.
    """

    name: str
    neurons: int
    recurrent: bool
    weights: int
    zero: int
    clipped: int
    rounded: int
    exact: bool
    threshold: int
    dash_syn: int
    dash_mem: int
    fan_out: int
    largest_current: int


@dataclass(frozen=True)
class XyloCalibration:
    """Model and chip on recorded spikes.

    Attributes:
        samples, steps: how much data.
        spikes: output spikes of the chip.
        differing: neurons times steps in which the chip's output is not the model's,
            ``latency_steps`` earlier.
        of: neurons times steps that were compared.
        model_accuracy, chip_accuracy: share of samples whose label has the most output spikes; None
            without labels.
    """

    samples: int
    steps: int
    spikes: int
    differing: int
    of: int
    model_accuracy: float | None
    chip_accuracy: float | None


@dataclass(frozen=True)
class XyloReport:
    """What :func:`keras_slayer.export.export_xylo` did. ``print`` it for a table.

    Attributes:
        path: the file; None if nothing was written.
        file_bytes: its size, or 0.
        chip: its name.
        inputs, hidden_neurons, output_neurons, synapses: used, the last between hidden neurons.
        latency_steps: steps by which the chip's output is later than the model's.
        exact: whether the chip's weights are those of the model's forward pass.
        layers: in order.
        host_layers: of the model, after the last layer with neurons.
        calibration: None without data.
        warnings: what may differ on the chip.
    """

    path: str | None
    file_bytes: int
    inputs: int
    hidden_neurons: int
    output_neurons: int
    synapses: int
    latency_steps: int
    exact: bool
    layers: tuple[LayerReport, ...]
    host_layers: tuple[str, ...]
    calibration: XyloCalibration | None
    warnings: tuple[str, ...]
    chip: str = NAME

    def to_json(self) -> str:
        """The report as a JSON object with the attributes' names."""
        return json.dumps(asdict(self), indent=2)

    def __str__(self) -> str:
        where = self.path or "nothing written"
        lines = [f"{self.chip}: {where}", "", table(self._rows()), "", *self._used()]
        plural = "" if self.latency_steps == 1 else "s"
        lines.append(f"latency: {self.latency_steps} step{plural}")
        if self.host_layers:
            lines.append(f"on the host: {', '.join(self.host_layers)}")
        if self.calibration is not None:
            lines += ["", *self._measured()]
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _rows(self) -> list[tuple]:
        head = ("layer", "neurons", "weights", "zero", "clipped", "rounded", "threshold")
        rows = [(*head, "dash syn", "dash mem", "fan-out", "largest current")]
        for layer in self.layers:
            name = layer.name + (" (recurrent)" if layer.recurrent else "")
            counts = (layer.neurons, layer.weights, layer.zero, layer.clipped, layer.rounded)
            neuron = (layer.threshold, layer.dash_syn, layer.dash_mem)
            rows.append((name, *counts, *neuron, layer.fan_out, layer.largest_current))
        return rows

    def _used(self) -> list[str]:
        fan_out = max(layer.fan_out for layer in self.layers)
        return [
            f"{name}: {used:,} of {most:,}"
            for name, used, most in (
                ("inputs", self.inputs, INPUTS),
                ("hidden neurons", self.hidden_neurons, HIDDEN),
                ("output neurons", self.output_neurons, OUTPUTS),
                ("largest fan-out", fan_out, MAX_FANOUT),
                ("synapses between hidden neurons", self.synapses, SYNAPSES),
            )
        ]

    def _measured(self) -> list[str]:
        found = self.calibration
        lines = [
            f"{found.samples:,} samples of {found.steps:,} steps: {found.spikes:,} output spikes, "
            f"{found.differing:,} of {found.of:,} counts differ from the model's"
        ]
        if found.model_accuracy is not None:
            lines.append(
                f"accuracy: model {found.model_accuracy:.2%}, chip {found.chip_accuracy:.2%}"
            )
        return lines


def warnings_of(layers: tuple[LayerReport, ...]) -> tuple[str, ...]:
    """What may differ on the chip."""
    warnings = []
    for layer in layers:
        if not layer.exact:
            warnings.append(
                f"{layer.name}: {layer.rounded:,} of {layer.weights:,} weights were rounded to "
                f"{WEIGHT_BITS} bits, {layer.clipped:,} of them clipped; the model was not trained "
                "with these. Train it with XyloDense or XyloRecurrentDense"
            )
        if layer.largest_current > STATE_MAX:
            warnings.append(
                f"{layer.name}: if all inputs of one sign spike once in each step, a current "
                f"reaches {layer.largest_current:,}; the chip holds {STATE_MAX:,}"
            )
    return tuple(warnings)
