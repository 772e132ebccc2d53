"""The code of README and docs runs as printed."""

import pathlib
import re

import keras
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
# Pages of text, figures or commands alone.
WITHOUT_CODE = (
    "CONTRIBUTING.md",
    "architecture.md",
    "citation.md",
    "defaults.md",
    "glossary.md",
    "method.md",
    "results.md",
)
# tests/docs/test_notebooks.py runs these.
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.md"))
# tests/datasets/test_dataset_pages.py runs the code of these.
DATA_SETS = sorted((ROOT / "docs" / "datasets").glob("*.md"))
WITH_CODE = [p for p in PAGES if p.name not in WITHOUT_CODE and p not in NOTEBOOKS + DATA_SETS]


def python_blocks(page: pathlib.Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)


@pytest.mark.usefixtures("finds_generated_data")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = python_blocks(page)
    assert blocks, f"{page.name} shows no code"
    keras.utils.set_random_seed(0)
    # What a reader has by then: input for the model of the page. README makes its own.
    namespace = {}
    if page.name != "README.md":
        random = np.random.default_rng(0)
        namespace["x"] = (random.random((2, 300, 34, 34, 2)) < 0.02).astype("f")
    for block in blocks:
        exec(compile(block, str(page), "exec"), namespace)
    if page.name == "README.md":
        assert namespace["spikes"].sum() > 0  # else the program's comparison would say nothing
        result = namespace["model"].evaluate(
            namespace["x"], namespace["labels"], verbose=0, return_dict=True
        )
        assert result["spike_count_accuracy"] > 0.95


def test_no_code_escapes_the_tests():
    """Python in a fence of another name would not run, but for the programs of other tools."""
    for page in PAGES:
        marked = re.findall(r"^```(py|python3|pycon|py3|ipython)\b", page.read_text(), re.M)
        assert not marked or (page.parent.name == "coming_from" and set(marked) == {"py"}), page


@pytest.mark.parametrize("name", WITHOUT_CODE)
def test_pages_without_code_have_none(name):
    (page,) = (page for page in PAGES if page.name == name)
    assert not python_blocks(page), f"the code of {name} is not tested"


def anchors(page: pathlib.Path) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_in_the_pages_exists():
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
            path, _, anchor = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(linked), f"{page.name} links to {target}"


def test_every_file_that_the_architecture_names_exists():
    """Paths with a slash in backticks: in the package, or from the root of the repository."""
    for page in (ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md"):
        for path in re.findall(r"`([\w./]+/[\w./]*)`", page.read_text()):
            if "NAME" in path or path.startswith(".."):
                continue
            places = (ROOT, ROOT / "keras_slayer", ROOT / "keras_slayer" / "ops" / "csrc")
            assert any((place / path).exists() for place in places), f"{page.name} names {path}"


def test_the_architecture_names_ops_that_exist():
    sources = (ROOT / "keras_slayer" / "ops" / "csrc").rglob("*.cc")
    registered = set(re.findall(r"KerasSlayer>(\w+)", "".join(p.read_text() for p in sources)))
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`(\w+Grad|Neuron)`", text))
    assert named and named <= registered


def test_readme_names_every_public_object():
    import keras_slayer

    text = (ROOT / "README.md").read_text()
    missing = [name for name in keras_slayer.__all__ if name not in text]
    assert not missing


def in_table(value) -> str:
    """A default as the table shows it, with three decimals."""
    return str(round(value, 3) if isinstance(value, float) else value)


def test_neurons_page_states_the_defaults():
    """The parameter table is that of the code."""
    import dataclasses

    from keras_slayer import neurons

    text = (ROOT / "docs" / "neurons.md").read_text()
    section = ""
    shown = {}
    for line in text.splitlines():
        if match := re.match(r"\| \*\*(\w+)\*\*", line):
            section = match[1]
        elif match := re.match(r"\| .*?\| `(\w+)` \|.*\| ([^|]+) \|$", line):
            shown[section, match[1]] = match[2].strip('` "')
    for neuron in neurons.BY_NAME.values():
        name = neuron.__name__
        for field in dataclasses.fields(neuron):
            common = field.name.startswith("surrogate") or field.name == "gradient"
            key = ("Surrogate" if common else name, field.name)
            # Of an instance: the decays of CUBA follow from its time constants.
            assert shown.get(key) == in_table(getattr(neuron(), field.name)), key
    taus = ("tau_current", "tau_voltage")
    assert [shown["CUBA", tau] for tau in taus] == [*map(in_table, neurons.CUBA().time_constants)]


def test_readme_has_a_row_for_every_neuron_and_layer():
    import keras_slayer
    from keras_slayer import neurons

    rows = re.findall(r"^\| `(\w+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert {neuron.__name__ for neuron in neurons.BY_NAME.values()} <= set(rows)
    layers = {name for name in keras_slayer.layers.__dict__ if name in keras_slayer.__all__}
    assert len(layers) > 5 and layers <= set(rows)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
