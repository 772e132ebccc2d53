"""Frames as files: GIF, MP4, and a page that plays them."""

from __future__ import annotations

import base64
import html
import io
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from string import Template
from typing import NamedTuple

import numpy as np

from keras_slayer.files import write_whole, writing

_COLOURS = 64  # of all frames together
_SAMPLED = 8  # frames that the colours are chosen from


class Film(NamedTuple):
    """What to write.

    Attributes:
        draw: frame numbers to images `(height, width, 3)` of bytes, one after the other, so that
            never more than a few are in memory.
        frames: how many there are.
        fps: frames a second.
        title: of the page.
    """

    draw: Callable[[Iterable[int]], Iterator[np.ndarray]]
    frames: int
    fps: float
    title: str


def write(path: str | os.PathLike, film: Film):
    """Writes `film` to `path`, whole or not at all, in the format of its suffix.

    Raises:
        RuntimeError: .mp4 without ffmpeg, or an ffmpeg that fails.
    """
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if suffix == ".mp4":
        _ffmpeg()  # before a folder is made
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".gif":
        write_whole(path, gif(film))
    elif suffix == ".html":
        write_whole(path, page(film).encode())
    else:
        with writing(path) as temporary:
            _write_mp4(temporary, film)


def gif(film: Film) -> bytes:
    """The film as a GIF that repeats."""
    buffer = io.BytesIO()
    pictures = _with_palette(film)
    # A GIF counts hundredths of a second: no frame is off by more, however long the film.
    ends = np.round(100 * np.arange(film.frames + 1) / film.fps).astype(int)
    durations = (10 * np.diff(ends)).tolist()
    options = {"save_all": True, "loop": 0, "duration": durations}
    next(pictures).save(buffer, "GIF", append_images=pictures, **options)
    return buffer.getvalue()


def page(film: Film) -> str:
    """The film as a page with a button and a slider, which needs no network."""
    encoded = []
    for picture in _with_palette(film):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", optimize=True)
        encoded.append(base64.b64encode(buffer.getvalue()).decode())
    width, height = picture.size
    return Template(files(__package__).joinpath("player.html").read_text("utf-8")).substitute(
        title=html.escape(film.title),
        width=width,
        height=height,
        last=film.frames - 1,
        fps=json.dumps(film.fps),
        frames=json.dumps(encoded),
    )


def _with_palette(film: Film) -> Iterator:
    """The images as Pillow's, all with one palette that suits them."""
    from PIL import Image

    sampled = np.unique(np.linspace(0, film.frames - 1, _SAMPLED).astype(int))
    together = Image.fromarray(np.concatenate(list(film.draw(sampled.tolist()))))
    palette = together.quantize(_COLOURS, dither=Image.Dither.NONE)
    # Pillow takes the nearest colour by an index that is coarse: white would come out grey.
    colours = np.reshape(palette.getpalette(), (-1, 3)).astype(np.uint8)
    colours[_quantized(Image.new("RGB", (1, 1), "white"), palette).getpixel((0, 0))] = 255
    for image in film.draw(range(film.frames)):
        picture = _quantized(Image.fromarray(image), palette)
        picture.putpalette(colours.tobytes())
        yield picture


def _quantized(image, palette):
    from PIL import Image

    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _ffmpeg() -> str:
    program = shutil.which("ffmpeg")
    if program is None:
        raise RuntimeError(
            ".mp4 needs the program ffmpeg, which is not on the PATH: install it (apt install "
            "ffmpeg, brew install ffmpeg), or write a .gif or .html file"
        )
    return program


def _write_mp4(path: pathlib.Path, film: Film):
    images = film.draw(range(film.frames))
    first = next(images)
    height, width, _ = first.shape
    size, rate = f"{width}x{height}", f"{film.fps:g}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", rate, "-i", "-"]
    # yuv420p and the index at the start are what browsers and slides play.
    target = ["-an", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)]
    command = [_ffmpeg(), "-y", "-loglevel", "error", *source, *target]
    # A file, not a pipe, which could fill up while the frames are written.
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as process:
            try:
                process.stdin.write(first.tobytes())
                for image in images:
                    process.stdin.write(image.tobytes())
                process.stdin.close()
            except BrokenPipeError:
                pass  # ffmpeg gave up: its code and its words are below
        if process.returncode or not path.exists():
            log.seek(0)
            said = log.read().decode(errors="replace").strip()[-500:]
            raise RuntimeError(
                f"ffmpeg could not write the film. Received: code {process.returncode}: {said}"
            )
