"""The page's section on what leads where: a drawing, and for all but chains a table."""

from __future__ import annotations

from keras_slayer.export.report.data import ReportData
from keras_slayer.export.report.page_tables import Layer, Long, table
from keras_slayer.export.report.wiring import Wiring, reads, steps
from keras_slayer.export.report.wiring_svg import draw, fits_in_a_row

NOTE = (
    "Steps are counted from an input spike to where it arrives, on the shortest and on the longest "
    "path; every connection takes one, and the delays of its synapses. "
)
MARKS = {
    "relay": "<b>relay</b>: repeats its source a step later, so that paths that join keep the "
    "timing of the model. ",
    "constant": "<b>constant</b>: neurons that spike whatever the input, in place of a constant "
    "current. ",
}


def section(report: ReportData) -> str:
    """HTML; nothing without a wiring, nor for chains so long that a table shows them better."""
    wiring = report.wiring
    if wiring is None or (wiring.is_chain and not fits_in_a_row(wiring)):
        return ""
    cores = {layer.name: layer.cores for layer in report.mapping.layers}
    roles = {node.role for node in wiring.nodes}
    marks = "".join(text for role, text in MARKS.items() if role in roles)
    return (
        '<section aria-labelledby="network">\n<h2 id="network">Network</h2>\n'
        '<div class="scroll" tabindex="0" role="region" aria-label="The network drawn">\n'
        f"{draw(wiring, cores)}</div>\n"
        f'<p class="note">{NOTE}{marks}</p>\n'
        f"{'' if wiring.is_chain else _table(wiring, cores)}</section>"
    )


def _table(wiring: Wiring, cores: dict[str, int]) -> str:
    numbers = {name: i for i, name in enumerate(cores)}
    rows = [
        [
            Layer(numbers[node.name], node.name) if node.name in numbers else node.name,
            node.role,
            node.neurons,
            cores.get(node.name),
            Long(reads(wiring, node.name)),
            "" if node.earliest is None else steps(node.earliest, node.latest),
            "output" if node.is_output else "",
        ]
        for node in wiring.nodes
    ]
    headings = ("population", "role", "neurons", "cores", "reads", "reached in", "")
    return table("Populations", headings, rows, left=(0, 1, 4, 5, 6))
