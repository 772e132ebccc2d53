"""The code of README and docs runs as printed."""

import os
import pathlib
import re

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def python_blocks(page: pathlib.Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", os.environ.get("TFDS_DATA_DIR", str(tmp_path / "tfds")))
    blocks = python_blocks(page)
    assert blocks or page.name == "results.md", f"{page.name} shows no code"
    # What a reader has by then: input for the model of the page.
    namespace = {"x": (np.random.default_rng(0).random((2, 300, 34, 34, 2)) < 0.02).astype("f")}
    for block in blocks:
        exec(compile(block, str(page), "exec"), namespace)
    if page.name == "README.md":
        assert namespace["spikes"].sum() > 0  # else the comparison would say nothing
        np.testing.assert_array_equal(
            namespace["spikes"], namespace["model"].predict(namespace["x"], verbose=0)
        )


def test_every_link_in_the_pages_exists():
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_names_every_public_object():
    import keras_slayer

    text = (ROOT / "README.md").read_text()
    missing = [name for name in keras_slayer.__all__ if name not in text]
    assert not missing


def test_readme_states_the_defaults():
    """The parameter table is that of the code."""
    import dataclasses

    import keras_slayer

    text = (ROOT / "README.md").read_text()
    section = ""
    shown = {}
    for line in text.splitlines():
        if match := re.match(r"\| \*\*(\w+)\*\*", line):
            section = match[1]
        elif match := re.match(r"\| .*?\| `(\w+)` \|.*\| ([^|]+) \|$", line):
            shown[section, match[1]] = match[2].strip('` "')
    for name in ("SRM", "CUBA", "LoihiCUBA"):
        for field in dataclasses.fields(getattr(keras_slayer, name)):
            common = field.name.startswith("surrogate") or field.name == "gradient"
            key = ("Surrogate" if common else name, field.name)
            assert shown.get(key) == str(field.default), key
