"""What all pictures have in common: files, figures of the user's, pyplot, threads, colours."""

import concurrent.futures
import io
import pickle
import types

import numpy as np
import pytest
from visualization_cases import HISTORY, mpl, network, network_input, output, recording, to_rgba

from keras_slayer import visualization
from keras_slayer.export.mapping.mapping import map_network
from keras_slayer.export.network import IntegerDense, IntegerNetwork, IntegerNeuron
from keras_slayer.export.targets.loihi1 import CHIP as LOIHI1
from keras_slayer.visualization import style


def mapping():
    layer = IntegerDense(np.ones((12, 5), np.int16), IntegerNeuron(1024, 128, 80))
    return map_network(IntegerNetwork((12,), (layer,)), LOIHI1, ["dense"])[0]


SPIKES = output()
AXES = {
    "plot_raster": lambda **options: visualization.plot_raster(SPIKES, **options),
    "plot_rates": lambda **options: visualization.plot_rates({"a": SPIKES[None]}, **options),
    "plot_confusion": lambda **options: visualization.plot_confusion([0, 1], [0, 0], **options),
}
FIGURES = {
    "plot_core_map": lambda **options: visualization.plot_core_map(mapping(), **options),
    "plot_delay_maps": lambda **options: visualization.plot_delay_maps(
        np.ones((2, 2, 2)), **options
    ),
    "plot_events": lambda **options: visualization.plot_events(recording(), **options),
    "plot_frames": lambda **options: visualization.plot_frames(recording(), 2, **options),
    "plot_history": lambda **options: visualization.plot_history(HISTORY, **options),
    "plot_layers": lambda **options: visualization.plot_layers(
        network(), network_input(), **options
    ),
    "plot_mistakes": lambda **options: visualization.plot_mistakes(
        recording()[None], SPIKES[None], [1], **options
    ),
    "plot_spike_trains": lambda **options: visualization.plot_spike_trains(
        SPIKES, SPIKES, **options
    ),
    "plot_traces": lambda **options: visualization.plot_traces(SPIKES, SPIKES, **options),
}
DRAW = {**AXES, **FIGURES}


def test_every_function_is_here():
    others = {"EventAnimation", "animate_events", "summary_figure"}
    assert set(DRAW) == set(visualization.__all__) - others


@pytest.mark.parametrize("name", DRAW)
def test_writes_a_file_and_nothing_else(tmp_path, name):
    figure = DRAW[name](path=tmp_path / "new" / "picture.svg")
    assert isinstance(figure, mpl.figure.Figure)
    (file,) = (tmp_path / "new").iterdir()
    assert file.name == "picture.svg" and "</svg>" in file.read_text()[-20:]


@pytest.mark.parametrize("name", DRAW)
def test_refuses_other_suffixes_before_drawing(tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in .png, .svg, .pdf. Received: path='.*jpg'"):
        DRAW[name](path=tmp_path / "picture.jpg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", DRAW)
def test_draws_into_what_it_is_given_and_writes_no_file_then(tmp_path, name):
    whole = mpl.figure.Figure(figsize=(10, 6), layout="constrained")
    left, right = whole.subfigures(1, 2)
    place = {"ax": right.add_subplot()} if name in AXES else {"figure": right}
    assert DRAW[name](**place) is right
    assert right.findobj(mpl.axes.Axes) and not left.findobj(mpl.axes.Axes)
    whole.draw_without_rendering()
    both = next(iter(place))
    with pytest.raises(ValueError, match=f"figure of its own. Received: both `path` and `{both}`"):
        DRAW[name](path=tmp_path / "picture.png", **place)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    visualization.plot_raster(SPIKES, path=path)
    before = path.read_bytes()

    def fail(self, target, **kwargs):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(mpl.figure.Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        visualization.plot_raster(SPIKES, path=path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_pyplot_is_left_as_it_was(tmp_path):
    from matplotlib import pyplot

    def state():
        return mpl.get_backend(), pyplot.get_fignums(), dict(mpl.rcParams)

    before = state()
    for name in set(DRAW) - {"plot_layers"}:
        DRAW[name]().draw_without_rendering()
    assert state() == before


def test_threads_draw_the_same_pictures(tmp_path):
    """Side by side as alone, to the byte."""

    def draw(number):
        path = tmp_path / f"{number}.png"
        visualization.plot_raster(output(winner=number % 4), path=path)
        return path.read_bytes()

    alone = [draw(number) for number in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(draw, range(8)))
    assert together == alone * 2 and len(set(alone)) == 4


def test_a_notebook_shows_a_figure_and_pickle_keeps_it():
    from PIL import Image

    figure = visualization.plot_events(recording())
    for shown in (figure, pickle.loads(pickle.dumps(figure))):
        with Image.open(io.BytesIO(shown._repr_png_())) as picture:
            assert picture.format == "PNG" and picture.size == (1000, 360)


def lightness(colour):
    """CIE L*, 0 to 100."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
              for c in to_rgba(colour)[:3]]  # fmt: skip
    luminance = np.dot([0.2126, 0.7152, 0.0722], linear)
    return 116 * np.cbrt(luminance) - 16 if luminance > 0.008856 else 903.3 * luminance


def deuteranope(colour):
    """As eyes without green cones see it: Viénot, Brettel & Mollon (1999), linear RGB."""
    linear = np.array(to_rgba(colour)[:3]) ** 2.2
    matrix = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    return np.clip(matrix @ linear, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize(
    "one, other", [("ON", "OFF"), ("WRONG", "INK"), ("RIGHT", "OTHER"), ("ON", "OTHER")]
)
def test_colours_that_stand_side_by_side_differ_for_all_eyes(one, other):
    one, other = getattr(style, one), getattr(style, other)
    assert abs(lightness(one) - lightness(other)) > 15
    assert np.abs(deuteranope(one) - deuteranope(other)).max() > 0.2


def test_a_history_without_matplotlib_objects_is_enough():
    history = types.SimpleNamespace(history=HISTORY, epoch=[0, 1, 2])
    assert len(visualization.plot_history(history).axes) == 2
