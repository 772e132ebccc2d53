"""animate_events: frames, times and colours; files whole or not at all."""

import base64
import io
import itertools
import json
import os
import re

import numpy as np
import pytest
from visualization_cases import mpl, recording, to_rgba

from keras_slayer.visualization import animate_events, style

Image = pytest.importorskip("PIL.Image")
BLUE, RED = (np.array(to_rgba(c)[:3]) * 255 for c in (style.ON, style.OFF))


def events(milliseconds, width=8, height=6):
    """An ON event in the corner above each ms, and an OFF event opposite."""
    t = np.arange(milliseconds) * 1000
    x, y = (np.repeat([0, side - 1], milliseconds) for side in (width, height))
    on = np.repeat([1, 0], milliseconds)
    return {"x": x, "y": y, "t": np.tile(t, 2), "polarity": on}


def frames(data):
    """Pictures and durations (ms) of a GIF."""
    with Image.open(io.BytesIO(data)) as picture:
        result = []
        for number in range(picture.n_frames):
            picture.seek(number)
            result.append((np.asarray(picture.convert("RGB"), float), picture.info["duration"]))
    return result


def shows(image, colour):
    """How many pixels have a colour, within what 64 colours can tell."""
    return int((np.abs(image - colour).max(axis=-1) < 12).sum())


def test_a_gif_has_a_frame_for_each_dt(tmp_path):
    film = animate_events(recording(), tmp_path / "film.gif", spike_dt=10.0, dt=20.0, size=50)
    shown = frames((tmp_path / "film.gif").read_bytes())
    assert film.frames == len(shown) == 5 and film.seconds == 0.2
    assert [duration for _, duration in shown] == [40] * 5
    # Events at 20, 60 and 90 ms, of 10 x 10 pixels: a sensor 5 wide becomes 50 wide.
    legend = [shows(shown[0][0], colour) for colour in (BLUE, RED)]
    counts = [[shows(image, colour) for image, _ in shown] for colour in (BLUE, RED)]
    np.testing.assert_array_equal(counts[0], legend[0] + 100 * np.array([0, 1, 0, 1, 0]))
    np.testing.assert_array_equal(counts[1], legend[1] + 100 * np.array([0, 0, 0, 0, 1]))
    assert shown[0][0].max() == 255  # white is white


def test_events_are_drawn_where_they_are():
    film = animate_events(recording(), spike_dt=10.0, dt=100.0, size=50)
    (image,) = film.images()
    blue = np.argwhere((np.abs(image - BLUE) < 2).all(axis=-1))
    blue = blue[blue[:, 0] > image.shape[0] - 20 - 41]  # below the heading
    corner = blue.min(axis=0) - [0, 10]  # the upper one is in row 0, the left one in column 1
    cells = {tuple(int(i) for i in (place - corner) // 10) for place in blue}
    assert cells == {(0, 4), (3, 1)}


@pytest.mark.parametrize("fps, durations", [(25, {40}), (30, {30, 40}), (50, {20})])
def test_the_film_runs_as_fast_as_it_says(fps, durations):
    film = animate_events(events(300), dt=10.0, fps=fps, size=16)
    shown = frames(base64.b64decode(re.search('base64,([^"]+)', film._repr_html_())[1]))
    assert {duration for _, duration in shown} == durations
    assert abs(sum(duration for _, duration in shown) - 30_000 / fps) <= 10
    assert film.heading == f"{10 * fps / 1000:.3g}x real time"


def test_speed_sets_the_length_of_a_frame():
    film = animate_events(events(400), speed=0.1, fps=20.0)
    assert film.frames == 80 and film.heading == "0.1x real time"  # 5 ms in a frame
    assert film.seconds == 4.0


def test_a_long_recording_is_cut_and_the_heading_says_so():
    film = animate_events(events(1000), dt=10.0, max_frames=7, title="Corner")
    assert film.frames == 7 and film.cut and len(list(film.images())) == 7
    assert film.heading == "Corner\n0.25x real time, first 0.07 s of 1 s"
    whole = animate_events(events(1000), dt=10.0)
    assert whole.frames == 100 and not whole.cut and whole.heading == "0.25x real time"


def test_a_region_is_the_recording():
    film = animate_events(recording(), spike_dt=10.0, region=(50, 70), dt=10.0)
    counts = [film._counts(number) for number in range(film.frames)]
    assert [count.sum() for count in counts] == [0, 1] and counts[1][1, 0, 4] == 1


def test_events_out_of_order_are_shown_at_their_times():
    shuffled = events(40)
    order = np.random.default_rng(0).permutation(80)
    film = animate_events({name: field[order] for name, field in shuffled.items()}, dt=10.0)
    assert [film._counts(i).sum() for i in range(4)] == [20] * 4


def test_pixels_of_a_large_sensor_are_joined():
    film = animate_events(events(20, width=1000, height=400), size=100, dt=20.0)
    assert film.heading.endswith(", 7 x 7 pixels in one")
    counts = film._counts(0)
    assert counts.shape == (2, 58, 143) and counts.sum() == 40
    assert counts[1, 0, 0] == counts[0, 57, 142] == 20
    (image,) = film.images()
    assert image.shape[1] % 2 == image.shape[0] % 2 == 0 and image.shape[1] < 300


def test_a_page_has_all_frames_and_needs_no_network(tmp_path):
    path = animate_events(events(50), dt=10.0, title="<b>", size=16).save(tmp_path / "film.html")
    page = path.read_text()
    (list_,) = re.findall(r"const frames = (\[.*\]);", page)
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))) for data in json.loads(list_)]
    assert len(pictures) == 5 and {picture.format for picture in pictures} == {"PNG"}
    assert 'max="4"' in page and "<b>" not in page and "&lt;b&gt;" in page
    assert not re.search(r"https?://|\$", page)
    width, height = re.search(r'width="(\d+)" height="(\d+)"', page).groups()
    assert pictures[0].size == (int(width), int(height))


FFMPEG = """#!/bin/sh
for last; do :; done
echo "$@" > "$(dirname "$0")/arguments"
head -c 100 /dev/zero > "$last"
cat | wc -c > "$(dirname "$0")/bytes"
"""


def program(folder, text):
    path = folder / "ffmpeg"
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder for programs, before all others on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_mp4_gives_all_frames_to_ffmpeg(tmp_path, programs):
    program(programs, FFMPEG)
    film = animate_events(events(50), tmp_path / "film.mp4", dt=10.0, fps=30, size=16)
    height, width, _ = next(film.images()).shape
    assert height % 2 == width % 2 == 0
    assert int((programs / "bytes").read_text()) == 5 * height * width * 3
    said = (programs / "arguments").read_text()
    assert f"-s {width}x{height} -r 30 -i -" in said and "-pix_fmt yuv420p" in said
    assert {file.name for file in tmp_path.iterdir()} == {"bin", "film.mp4"}


def test_without_ffmpeg_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"not on the PATH: install it .* \.gif or \.html"):
        animate_events(events(50), tmp_path / "new" / "film.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["#!/bin/sh\necho no such codec >&2\nexit 3\n", "#!/bin/sh\n"])
def test_an_ffmpeg_that_fails_leaves_no_file(tmp_path, programs, text):
    program(programs, text)
    words = "code 3: no such codec" if "exit 3" in text else "code 0"
    with pytest.raises(RuntimeError, match=f"ffmpeg could not write the film. Received: {words}"):
        animate_events(events(400), tmp_path / "film.mp4", dt=10.0)
    assert [file.name for file in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize("suffix", ["gif", "html"])
def test_a_failed_film_leaves_the_old_file(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"film.{suffix}"
    film = animate_events(events(50), path, dt=10.0, size=16)
    before = path.read_bytes()

    def fail(numbers=None):
        yield from itertools.islice(type(film).images(film, numbers), 2)
        raise OSError("out of frames")

    monkeypatch.setattr(film, "images", fail)
    with pytest.raises(OSError, match="out of frames"):
        film.save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_an_empty_recording_is_a_white_film():
    film = animate_events(np.zeros((40, 4, 5, 2)), dt=10.0, size=16)
    assert film.frames == 4 and len(list(film.images())) == 4


def test_pyplot_is_left_as_it_was():
    from matplotlib import pyplot

    before = mpl.get_backend(), pyplot.get_fignums(), dict(mpl.rcParams)
    animate_events(events(50), size=16)._repr_html_()
    assert (mpl.get_backend(), pyplot.get_fignums(), dict(mpl.rcParams)) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "film.avi"}, r"must end in .gif, .mp4, .html. Received: path='film.avi'"),
        ({"fps": 60}, r"fps must be a number in \(0, 50\]. Received: fps=60"),
        ({"dt": 0}, "Received: dt=0"),
        ({"speed": -1}, "Received: speed=-1"),
        ({"max_frames": 0}, "Received: max_frames=0"),
        ({"size": 3}, "Received: size=3"),
        ({"region": (2, 1)}, r"Received: region=\(2, 1\)"),
        ({"sensor_shape": (2, 2)}, r"Received: sensor_shape=\(2, 2\)"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        animate_events(events(50), **arguments)
