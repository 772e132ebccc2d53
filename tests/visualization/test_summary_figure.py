"""The summary figure: what is in it, what is on disk afterwards."""

import xml.etree.ElementTree

import numpy as np
import pytest
from visualization_cases import HISTORY, mpl, output, recording, texts

from keras_slayer.visualization import plot_events, style, summary_figure
from keras_slayer.visualization import summary as summary_module


def summary(path, **changes):
    arguments = {
        "input_spikes": recording(),
        "output_spikes": output(),
        "label": np.int64(2),
        "history": HISTORY,
    }
    return summary_figure(path, **{**arguments, **changes})


@pytest.fixture
def drawn(monkeypatch):
    """The figures that get saved, while they still can be asked what is in them."""
    figures = []
    save = style.save
    monkeypatch.setattr(summary_module, "save", lambda f, path: (figures.append(f), save(f, path)))
    return figures


def test_summary_writes_a_picture_of_input_output_and_learning(tmp_path, drawn):
    path = summary(tmp_path / "new" / "figure.png", dt=30.0)
    assert path == tmp_path / "new" / "figure.png"
    assert [file.name for file in path.parent.iterdir()] == ["figure.png"]
    from PIL import Image

    with Image.open(path) as image:
        assert image.size == (2000, 800)
        assert len(image.convert("RGB").getcolors(1 << 20)) > 100
    shown = texts(drawn[0])
    assert {"Input: 3 events", "Output: 2, correct", "Learning"} <= set(shown)
    assert {"0 to 100 ms", "100 to 200 ms", "200 to 300 ms", "class"} <= set(shown)
    thirds = [ax.images[0].get_array() for ax in drawn[0].axes if ax.images]
    # The events are at 60, 180 and 270 ms.
    assert [int((third.sum(axis=-1) < 3).sum()) for third in thirds] == [1, 1, 1]


def test_summary_says_what_a_wrong_answer_should_have_been(tmp_path, drawn):
    summary(tmp_path / "figure.png", label=0, names=["up", "down", "left", "right"])
    assert "Output: left, should be up" in texts(drawn[0])


def test_summary_of_a_sensor_without_an_image_is_a_raster(tmp_path, drawn):
    summary(tmp_path / "figure.pdf", input_spikes=output(classes=3), history={"loss": [1.0]})
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    assert "Input spikes" in texts(drawn[0])
    rasters = [ax for ax in drawn[0].axes if ax.get_xlabel() == "time (ms)"]
    assert [ax.get_ylim() for ax in rasters] == [(2.5, -0.5), (3.5, -0.5)]


def test_summary_as_svg(tmp_path):
    path = summary(str(tmp_path / "figure.SVG"))
    assert xml.etree.ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("name", ["figure.jpeg", "figure"])
def test_summary_refuses_other_formats(tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in .png, .svg, .pdf. Received: path="):
        summary(tmp_path / name)


def test_summary_refuses_a_label_that_is_no_class(tmp_path):
    with pytest.raises(ValueError, match="Received: label=4"):
        summary(tmp_path / "figure.png", label=4)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = summary(tmp_path / "figure.png")
    before = path.read_bytes()

    def fail(self, target, **kwargs):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(mpl.figure.Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        summary(path, label=0)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_drawing_leaves_pyplot_as_it_was(tmp_path):
    from matplotlib import pyplot

    def state():
        return mpl.get_backend(), pyplot.get_fignums(), dict(mpl.rcParams)

    before = state()
    summary(tmp_path / "figure.png")
    plot_events(recording())
    assert state() == before
