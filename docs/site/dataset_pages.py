"""Writes docs/datasets/*.md anew: a page for each data set, from the facts of its builder.

    python docs/site/dataset_pages.py

The table of facts, how to get it and whom to cite are what the builder says. Code and links are in
dataset_parts.py beside this file; docs/images/datasets.py draws the pictures.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow_datasets as tfds

from keras_slayer import datasets
from keras_slayer.datasets.record import GENERATED, MADE_UP, DatasetRecord

sys.path.insert(0, str(Path(__file__).parent))
from dataset_parts import PARTS, code

DOCS = Path(__file__).resolve().parents[1]
FOLDER = DOCS / "datasets"
MOST_NAMES = 35  # of classes that a page lists
WHAT_IS_SHOWN = {
    "nmnist": "Training recordings: one in space and time, and one of each digit, added up",
    "saccade_mnist": "Training recordings: one in space and time, and one of each digit, added up",
    "synthetic_gestures": "Training recordings: one in space and time, and one of each class, "
    "added up",
    "synthetic_words": "A training recording of each of eight words: channels over time",
}
"""In the picture of a data set. The others have none: their recordings were not at hand."""


def pages() -> dict[str, str]:
    """Name of a data set: its page."""
    records = {}
    for record in datasets.available(show=False):
        records.setdefault(record.name.partition("/")[0], []).append(record)
    return {name: _page(name, found) for name, found in records.items()}


def _page(name: str, records: list[DatasetRecord]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        builder = tfds.builder(records[0].name, data_dir=folder)
    part = PARTS[name]
    sections = [
        f"# {records[0].title}",
        builder.info.description.strip(),
        _picture(name, records[0]),
        "## Facts",
        _facts(builder, records, part.files),
        "## Get it",
        _instructions(name, builder),
        "## Use it",
        f"{part.about}\n\n```python\n{code(name)}```",
        "From here:\n\n" + "\n".join(f"- {line}" for line in part.next),
        "## Cite it",
        f"```bibtex\n{builder.info.citation.strip()}\n```",
    ]
    return "\n\n".join(sections) + "\n"


def _picture(name: str, record: DatasetRecord) -> str:
    if name not in WHAT_IS_SHOWN:
        look = "plot_raster" if len(record.sensor_shape) == 1 else "plot_events"
        return (
            f"No recording of {record.title} was at hand, so there is no picture of one. Before "
            f"you\ntrain, look at yours with `keras_slayer.visualization.{look}`."
        )
    data = " --data-dir FOLDER" if record.checked_on != GENERATED else ""
    return (
        f"![Recordings of {record.title}](../images/dataset_{name}.png)\n\n"
        f"{WHAT_IS_SHOWN[name]}.\nDrawn by `python docs/images/datasets.py {name}{data}`."
    )


def _facts(builder, records: list[DatasetRecord], files: str | None) -> str:
    first = records[0]
    sensor = " x ".join(map(str, first.sensor_shape))
    kind = "height x width x polarities" if len(first.sensor_shape) == 3 else "channels"
    rows = [
        ("name for `tfds.load`", ", ".join(f"`{record.name}`" for record in records)),
        ("sensor", f"{'up to ' * first.sizes_differ}{sensor} ({kind})"),
        ("classes", _classes(builder, first)),
        *((f"recordings{_variant(r)}", _counts(r)) for r in records),
        ("duration", first.duration),
        ("you need", first.needs),
        ("files", files),
        ("licence", first.licence),
        ("home page", first.homepage and f"<{first.homepage}>"),
        ("published accuracy", first.figure),
        ("this reader was run on", _checked(first)),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows if value]
    return "\n".join([lines[0], "|---|---|", *lines[1:]])


def _variant(record: DatasetRecord) -> str:
    _, _, variant = record.name.partition("/")
    return f", `{variant}`" if variant else ""


def _counts(record: DatasetRecord) -> str:
    about = "" if record.counts_are_known else "about "
    validation = f"{record.validation:,} to validate, " if record.validation else ""
    return f"{about}{record.train:,} to train, {validation}{about}{record.test:,} to test"


def _classes(builder, record: DatasetRecord) -> str:
    names = builder.info.features["label"].names
    if all(name.isdigit() for name in names):
        return f"{record.classes}"
    shown = names if len(names) <= MOST_NAMES else [*names[:4], "...", names[-1]]
    return f"{record.classes}: " + ", ".join(f"`{n}`" if n != "..." else n for n in shown)


def _checked(record: DatasetRecord) -> str:
    if record.checked_on == MADE_UP:
        return "files made up in its format, never the data set itself: look before you train"
    return {GENERATED: "itself"}.get(record.checked_on, record.checked_on)


def _instructions(name: str, builder) -> str:
    text = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    if not text:
        return (
            "Nothing is downloaded: it is generated on your machine, once, when it is first loaded."
        )
    if builder.RECORDS[0].needs.startswith("local"):
        how = "Programs cannot download this data set."
    else:
        how = f"`datasets.load_{name}()` downloads it, once. Or by hand:"
    return f"{how}\n\n{_linked(text)}"


def _linked(text: str) -> str:
    """Addresses as links, lines that list one file each as a list; digests, patterns of paths in
    code: a browser takes <class> for a tag."""
    text = re.sub(r"(?<!\S)<\w+>/\S+", lambda match: f"`{match[0]}`", text)
    text = re.sub(r"https://[^\s,;()]+", lambda match: f"<{match[0]}>", text.strip())
    text = re.sub(r"\b(md5|sha256) ([0-9a-f]{32,64})\b", r"\1 `\2`", text)
    listed = re.compile(r"^(?:\w+\.zip +)?<https\S+>.*`\)?$")
    lines, inside = [], False
    for line in text.splitlines():
        one = bool(listed.match(line))
        if one != inside:
            lines.append("")
        lines.append(f"- {re.sub(' +', ' ', line)}" if one else line)
        inside = one
    return "\n".join(lines)


def main():
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for name, text in made.items():
        (FOLDER / f"{name}.md").write_text(text)
    for file in FOLDER.glob("*.md"):
        if file.stem not in made:
            file.unlink()
    print(*sorted(made))


if __name__ == "__main__":
    main()
