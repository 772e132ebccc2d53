"""The look that all pictures share, and how they reach a file."""

import os
import pathlib

from keras_slayer.files import writing

ON, OFF = "#005EA8", "#E8502F"
"""Blue and red, which colour-blind readers tell apart and which print as different greys."""
RIGHT, WRONG = ON, "#CC3311"
OTHER, INK, FAINT, PANE = "#8A9097", "#33383D", "#D9DCDF", "#F4F5F7"
SUFFIXES = (".png", ".svg", ".pdf")
_DPI = 200


def new_figure(width: float, height: float):
    """An empty white figure, `width` x `height` inches, of which pyplot knows nothing."""
    try:
        import matplotlib.figure  # noqa: F401 - there, or the error below

        from keras_slayer.visualization.notebook import NotebookFigure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'keras_slayer[plot]'") from error
    return NotebookFigure(figsize=(width, height), layout="constrained", facecolor="white")


def start_figure(path, given, width: float, height: float):
    """The figure to draw into: what the user gave, or a new one, which alone can be written.

    Raises:
        ValueError: both a path and a figure, or a path with another suffix than those of
            `SUFFIXES`.
    """
    if path is not None and given is not None:
        raise ValueError("`path` needs a figure of its own. Received: both `path` and `figure`")
    check_path(path)
    return new_figure(width, height) if given is None else given


def start_axes(path, given, width: float, height: float):
    """The axes to draw into: what the user gave, or those of a new figure, as `start_figure`."""
    if path is not None and given is not None:
        raise ValueError("`path` needs a figure of its own. Received: both `path` and `ax`")
    check_path(path)
    return new_figure(width, height).add_subplot() if given is None else given


def check_path(path: str | os.PathLike | None, suffixes=SUFFIXES):
    """A ValueError, before anything is drawn, unless `path` is None or ends in a suffix."""
    if path is not None and pathlib.Path(path).suffix.lower() not in suffixes:
        raise ValueError(
            f"`path` must end in {', '.join(suffixes)}. Received: path={os.fspath(path)!r}"
        )


def heading(target, text: str | None):
    """Bold heading at the left, over axes or over a whole figure."""
    style = {"fontsize": 10, "fontweight": "bold", "color": INK}
    if text and hasattr(target, "suptitle"):
        target.suptitle(text, x=0.02, ha="left", **style)
    elif text:
        target.set_title(text, loc="left", **style)


def style_axes(ax):
    """Thin axes on the left and below, small type, no box."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(OTHER)
    ax.tick_params(labelsize=8, color=OTHER, labelcolor=INK)
    ax.xaxis.label.set(size=9, color=INK)
    ax.yaxis.label.set(size=9, color=INK)


def save(figure, path: str | os.PathLike | None):
    """Write the figure to `path`, whole or not at all, in the format of its suffix."""
    if path is None:
        return
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)
