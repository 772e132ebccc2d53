"""A figure that notebooks show without pyplot. Imported when the first picture is drawn."""

import io

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A matplotlib figure that a notebook shows where it is the value of a cell.

    IPython shows other figures only once pyplot, with a backend of its own, has been imported.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()
