"""The report as text for a terminal."""

from __future__ import annotations

from keras_slayer.export.report.data import ReportData
from keras_slayer.export.report.tables import table
from keras_slayer.export.report.wiring import Wiring, reads, when

# Column heading, field of LayerReport, whether the last row adds it up.
WEIGHT_COLUMNS = (
    ("layer", "name", False),
    ("type", "type", False),
    ("neurons", "neurons", True),
    ("weights", "weights", True),
    ("zero", "zero_weights", True),
    ("changed", "changed_weights", True),
    ("out of range", "out_of_range_weights", True),
    ("bits", "weight_bits", False),
    ("threshold", "threshold_mantissa", False),
    ("i decay", "current_decay", False),
    ("v decay", "voltage_decay", False),
    ("delay", "largest_delay", False),
    ("largest sum", "largest_synaptic_sum", False),
)


def render(report: ReportData) -> str:
    parts = [_weights(report), _cores(report), _widths(report)]
    if report.wiring is not None and not report.wiring.is_chain:
        parts.insert(0, _wiring(report.wiring))
    if report.calibration is not None:
        parts += [_variants(report), _activity(report)]
    parts.append("\n".join(_facts(report)))
    return "\n\n".join(parts)


def _weights(report: ReportData) -> str:
    rows = [[heading for heading, _, _ in WEIGHT_COLUMNS]]
    rows += [[getattr(layer, field) for _, field, _ in WEIGHT_COLUMNS] for layer in report.layers]
    totals = [
        sum(getattr(layer, field) for layer in report.layers) if adds else None
        for _, field, adds in WEIGHT_COLUMNS
    ]
    rows.append(["total", *totals[1:]])
    return table(rows, left=2, total=True)


def _wiring(wiring: Wiring) -> str:
    rows = [("population", "reads", "reached in")]
    for node in wiring.nodes:
        if node.role != "input":
            rows.append((node.name, reads(wiring, node.name) or "(bias)", when(node)))
    return table(rows, left=3)


def _cores(report: ReportData) -> str:
    heading = (
        "layer",
        "cores",
        "neurons/core",
        "axons in",
        "axons out",
        "synapses KiB",
        "delay bits",
        "use",
        "limited by",
    )
    rows = [heading]
    for layer in report.mapping.layers:
        rows.append(
            (
                layer.name,
                layer.cores,
                -(-layer.neurons // layer.cores),
                layer.max_input_axons,
                layer.max_output_axons,
                f"{layer.max_memory_bytes / 1024:.1f}",
                layer.delay_bits,
                f"{layer.utilisation:.0%}",
                layer.limited_by,
            )
        )
    rows.append(("total", len(report.mapping.cores), *[None] * (len(heading) - 2)))
    return table(rows, total=True)


def _widths(report: ReportData) -> str:
    rows = [("weights in", "zero", "changed", "out of range")]
    rows += [
        (f"{width.bits} bit{'s' * (width.bits > 1)}", width.zero, width.changed, width.out_of_range)
        for width in report.widths
    ]
    return table(rows)


def _variants(report: ReportData) -> str:
    rows = [("network", "accuracy", "same decision", "spikes/sample", "differing spikes")]
    rows += [
        (
            variant.name,
            _percent(variant.accuracy),
            _percent(variant.same_decision),
            f"{variant.spikes:.1f}",
            f"{variant.differing:,} of {variant.of:,}",
        )
        for variant in report.calibration.variants
    ]
    return table(rows)


def _activity(report: ReportData) -> str:
    rows = [
        (
            "layer on chip",
            "spikes/sample",
            "rate",
            "silent",
            "synaptic ops/sample",
            "nJ/sample",
            "differing spikes",
        )
    ]
    for layer in report.calibration.layers:
        rows.append(
            (
                layer.name,
                f"{layer.spikes:,.1f}",
                f"{layer.rate:.4f}",
                f"{layer.silent:.0%}",
                f"{layer.synaptic_operations:,.0f}",
                f"{layer.energy * 1e9:,.1f}",
                layer.differing,
            )
        )
    return table(rows)


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.2%}"


def _facts(report: ReportData) -> list[str]:
    mapping = report.mapping
    lines = [
        f"{report.input_shape} -> {report.output_shape}, latency {report.latency_steps} steps"
        f"{' (one per layer)' if report.wiring is None or report.wiring.is_chain else ''}",
        f"{report.chip}: {_count(len(mapping.cores), 'core')} on {_count(mapping.chips, 'chip')} "
        "(assumptions: .mapping.assumptions)",
        "the weights are those of the model's forward pass: it spikes exactly as the model does"
        if report.exact and not report.converted
        else "the weights or neurons are not those of the model as given: see the columns "
        "'changed' and 'differing spikes'",
    ]
    if report.host_layers:
        lines.append(f"on the host: {', '.join(report.host_layers)}")
    calibration = report.calibration
    if calibration is not None:
        lines.append(
            f"calibration: {_count(calibration.samples, 'sample')}, about "
            f"{calibration.energy * 1e6:.3g} uJ each (estimate: .calibration.energy_source)"
        )
    lines += [f"warning: {warning}" for warning in report.warnings]
    if report.path is None:
        lines.append(f"dry run: no .{report.format} file was written")
    else:
        lines.append(f"wrote {report.path} (.{report.format}, {report.file_bytes:,} bytes)")
    return lines


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
