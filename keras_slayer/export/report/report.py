"""What an export did: as text and pictures for people, as JSON for programs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from keras_slayer.export.report import page, text
from keras_slayer.export.report.data import ReportData
from keras_slayer.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class LoihiReport(ReportData):
    """What :func:`keras_slayer.export.export_loihi` wrote.

    Shown as tables; a notebook shows its page. Its figures are attributes
    (``keras_slayer.export.report.data.ReportData``).
    """

    def to_json(self) -> str:
        """The report as a JSON object with the attributes' names."""
        return json.dumps(asdict(self), indent=2)

    def to_html(self, path: str | os.PathLike) -> None:
        """Writes the report as one self-contained page, which needs no network."""
        write_whole(path, page.render(self).encode())

    def plot_cores(self, path: str | os.PathLike | None = None) -> Figure:
        """Draws the cores of each chip, see :func:`keras_slayer.visualization.plot_core_map`."""
        from keras_slayer.visualization import plot_core_map

        return plot_core_map(self.mapping, path)

    def __str__(self) -> str:
        return text.render(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return page.render_cell(self)
