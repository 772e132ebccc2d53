"""What an export did, as a table for people and as JSON for programs."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class LayerReport:
    """One layer of the exported network.

    Attributes:
        name, type: of the Keras layer.
        neurons: neurons on the chip.
        weights: distinct weights (those of a convolution are shared by its positions).
        zero_weights: weights that are zero on the chip.
        changed_weights: weights whose trained value is not exactly the chip's.
        out_of_range_weights: weights whose trained value lies beyond the range of the chip's
            (training clamped them, so the network has already learnt with that).
        weight_bits: bits of a weight, without the sign.
        threshold_mantissa, current_decay, voltage_decay: parameters of the neurons.
        largest_synaptic_sum: weights of one neuron added up, worst case, if all inputs of one sign
            spike in one step.
    """

    name: str
    type: str
    neurons: int = 0
    weights: int = 0
    zero_weights: int = 0
    changed_weights: int = 0
    out_of_range_weights: int = 0
    weight_bits: int | None = None
    threshold_mantissa: int | None = None
    current_decay: int | None = None
    voltage_decay: int | None = None
    largest_synaptic_sum: int = 0


# Column heading, field of LayerReport.
COLUMNS = (
    ("layer", "name"),
    ("type", "type"),
    ("neurons", "neurons"),
    ("weights", "weights"),
    ("zero", "zero_weights"),
    ("changed", "changed_weights"),
    ("out of range", "out_of_range_weights"),
    ("bits", "weight_bits"),
    ("threshold", "threshold_mantissa"),
    ("i decay", "current_decay"),
    ("v decay", "voltage_decay"),
    ("largest sum", "largest_synaptic_sum"),
)


@dataclass(frozen=True)
class LoihiReport:
    """What :func:`keras_slayer.export.export_loihi` wrote.

    Attributes:
        path, format, file_bytes: the file.
        input_shape, output_shape: without batch and time.
        latency_steps: steps from an input spike to the first output spike it can cause.
        layers: one report per layer.
        warnings: what may differ on a chip.
    """

    path: str
    format: str
    file_bytes: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    latency_steps: int
    layers: tuple[LayerReport, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The report as a JSON object with the attributes' names."""
        return json.dumps(asdict(self), indent=2)

    def __str__(self) -> str:
        rows = [[heading for heading, _ in COLUMNS]]
        rows += [[_cell(getattr(layer, field)) for _, field in COLUMNS] for layer in self.layers]
        totals = ("neurons", "weights", "zero_weights", "changed_weights", "out_of_range_weights")
        rows.append(
            [
                "total" if field == "name" else self._total(field) if field in totals else ""
                for _, field in COLUMNS
            ]
        )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(_align(cells, widths)).rstrip() for cells in rows]
        rule = "-" * max(map(len, lines))
        lines = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
        lines.append(
            f"{self.input_shape} -> {self.output_shape}, latency {self.latency_steps} steps"
        )
        lines += [f"warning: {warning}" for warning in self.warnings]
        lines.append(f"wrote {self.path} (.{self.format}, {self.file_bytes:,} bytes)")
        return "\n".join(lines)

    def _total(self, field: str) -> str:
        return f"{sum(getattr(layer, field) for layer in self.layers):,}"


def _cell(value: str | int | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else value


def _align(cells: list[str], widths: list[int]) -> list[str]:
    """Names to the left, numbers to the right."""
    return [
        cell.ljust(width) if i < 2 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
