"""The look that all pictures share, and how they reach a file."""

import pathlib

from keras_slayer.files import writing

ON, OFF = "#0077BB", "#CC3311"
RIGHT, WRONG = ON, OFF
OTHER, INK, FAINT, PANE = "#8A9097", "#33383D", "#D9DCDF", "#F4F5F7"
_DPI = 200


def new_figure(width: float, height: float):
    """An empty white figure, `width` x `height` inches, of which pyplot knows nothing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'keras_slayer[plot]'") from error
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


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
    ax.tick_params(labelsize=8, color=OTHER)
    ax.xaxis.label.set(size=9, color=INK)
    ax.yaxis.label.set(size=9, color=INK)


def save(figure, path: pathlib.Path):
    """Write the figure to `path`, whole or not at all, in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)
