"""The report as one page that needs no network, and as a fragment for notebooks.

The tables are written here and need no script. The pictures are drawn by the scripts in page/ from
the report's own JSON, which the page carries.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from keras_slayer.export.report import page_tables as tables
from keras_slayer.export.report import page_wiring
from keras_slayer.export.report.calibration import RASTER_SPIKES
from keras_slayer.export.report.data import ReportData

SCRIPTS = ("dom.js", "selection.js", "cores.js", "histograms.js", "rasters.js")


def render(report: ReportData) -> str:
    """The whole page."""
    script = "\n" + "".join(map(_read, SCRIPTS))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    mapping = report.mapping
    return Template(_read("page.html")).substitute(
        title=escape(_title(report)),
        style=_read("page.css"),
        # With its hash in the page's security policy, this script and no other can run.
        digest=f"sha256-{digest}",
        script=script,
        data=_data(report),
        written=escape(_written(report)),
        status=escape(_status(report)),
        facts=_facts(report),
        warnings=_warnings(report),
        network=page_wiring.section(report),
        layers=tables.layers(report),
        synaptic_sum_limit=f"{report.synaptic_sum_limit:,}",
        host=_host(report),
        cores_per_layer=tables.cores_per_layer(report),
        cores_per_chip=f"{mapping.cores_per_chip:,}",
        cores=tables.cores(report),
        widths=tables.widths(report),
        calibration="" if report.calibration is None else _calibration(report),
        assumptions="".join(f"<li>{escape(line)}</li>\n" for line in mapping.assumptions),
        energy_source=""
        if report.calibration is None
        else f"<h3>Energy</h3>\n<p>{escape(report.calibration.energy_source)}.</p>",
    )


def render_cell(report: ReportData) -> str:
    """Facts, warnings and the tables of layers and cores, without style and script."""
    warnings = "".join(f"<li><b>Warning:</b> {escape(line)}</li>" for line in report.warnings)
    facts = ", ".join(f"{escape(value)} {escape(label)}" for value, label in _fact_list(report))
    return (
        f'<div class="keras-slayer-report"><p><b>{escape(_title(report))}</b><br>'
        f"{escape(_status(report))}<br>{facts}.</p>"
        f"{f'<ul>{warnings}</ul>' if warnings else ''}"
        f"{tables.layers(report)}{tables.cores_per_layer(report)}</div>"
    )


def _read(name: str) -> str:
    return files("keras_slayer.export.report").joinpath("files", name).read_text("utf-8")


def _data(report: ReportData) -> str:
    """The report's JSON, such that no text in it can end the script element that holds it."""
    compact = json.dumps(json.loads(report.to_json()), separators=(",", ":"), allow_nan=False)
    return compact.replace("<", "\\u003c")


def _title(report: ReportData) -> str:
    return "Dry run" if report.path is None else Path(report.path).name


def _written(report: ReportData) -> str:
    if report.path is None:
        return f"Loihi export, dry run: no .{report.format} file was written"
    return f"Loihi export, written to {report.path}"


def _status(report: ReportData) -> str:
    if report.converted:
        return (
            "Not exact: the neurons were converted: the network does not spike as the model does."
        )
    if report.exact:
        return (
            "Exact: the weights are those of the model's forward pass, the network spikes as the "
            "model does."
        )
    return (
        "Not exact: some weights are not those of the model's forward pass: its spikes may differ."
    )


def _fact_list(report: ReportData) -> list[tuple[str, str]]:
    """Figures and what they count."""
    mapping = report.mapping
    facts = [
        (mapping.chip, "target"),
        (f"{mapping.chips:,}", "chip" if mapping.chips == 1 else "chips"),
        (f"{len(mapping.cores):,}", f"of {mapping.chips * mapping.cores_per_chip:,} cores"),
        (f"{sum(layer.neurons for layer in report.layers):,}", "neurons"),
        (f"{sum(layer.weights for layer in report.layers):,}", "weights"),
        (
            f"{report.latency_steps:,}",
            "steps of latency" if report.latency_steps != 1 else "step of latency",
        ),
        (_shape(report.input_shape), "input"),
        (_shape(report.output_shape), "output"),
    ]
    if report.path is not None:
        facts.append((f"{report.file_bytes:,}", f"bytes of .{report.format}"))
    calibration = report.calibration
    if calibration is None:
        return facts
    facts.append((tables.energy(calibration.energy), "a sample (estimate)"))
    given, chip = calibration.variants[0], calibration.variants[-1]
    if chip.accuracy is not None:
        as_given = tables.percent(given.accuracy)
        facts.append((tables.percent(chip.accuracy), f"accuracy on the chip ({as_given} as given)"))
    return facts


def _shape(shape: tuple) -> str:
    """A shape, or several."""
    if shape and isinstance(shape[0], tuple):
        return ", ".join(map(_shape, shape))
    return "\u00d7".join(f"{size:,}" for size in shape)


def _facts(report: ReportData) -> str:
    return "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>\n"
        for value, label in _fact_list(report)
    )


def _warnings(report: ReportData) -> str:
    if not report.warnings:
        return ""
    number = len(report.warnings)
    lines = "".join(f"<li>{escape(line)}</li>\n" for line in report.warnings)
    return (
        '<section class="warnings" aria-labelledby="warnings">\n'
        f'<h2 id="warnings">{number} warning{"s" * (number != 1)}</h2>\n'
        f"<ul>\n{lines}</ul>\n</section>"
    )


def _host(report: ReportData) -> str:
    if not report.host_layers:
        return ""
    names = ", ".join(escape(name) for name in report.host_layers)
    return f'<p class="note">On the host, after the chip: {names}.</p>'


def _calibration(report: ReportData) -> str:
    calibration = report.calibration
    return Template(_read("calibration.html")).substitute(
        samples=f"{calibration.samples:,} sample{'s' * (calibration.samples != 1)}",
        steps=f"{calibration.steps:,}",
        variants=tables.variants(report),
        activity=tables.activity(report),
        raster_spikes=f"{RASTER_SPIKES:,}",
    )
