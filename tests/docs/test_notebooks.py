"""The notebooks run from start to end, as `make docs` runs them, and become .ipynb files."""

import base64
import importlib.util
import json
import pathlib
import traceback

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "docs" / "notebooks"
NAMES = ("delays", "first_network", "keywords", "loihi", "own_recordings", "residual")


def load_runner():
    spec = importlib.util.spec_from_file_location("notebook_runner", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


runner = load_runner()


def test_these_are_all():
    assert tuple(runner.names()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (FOLDER / f"{name}.md").read_text()
    written = runner.notebook(text, runner.run(text, name))
    cells = [cell for cell in written["cells"] if cell["cell_type"] == "code"]
    assert "".join(cell["source"] for cell in cells).count("assert ") >= 1
    pictures = [
        output["data"]["image/png"]
        for cell in cells
        for output in cell["outputs"]
        if "image/png" in output.get("data", ())
    ]
    assert pictures
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)
    json.dumps(written)


PAGE = """# Title

```python
print("printed")
x = 1
```

Text.

```python
x + 1
```

```python
x + 2;
```
"""


def test_cells_and_their_outputs():
    outputs = runner.run(PAGE, "page")
    assert outputs[0] == [{"output_type": "stream", "name": "stdout", "text": "printed\n"}]
    assert outputs[1][0]["data"] == {"text/plain": "2"} and outputs[2] == []
    written = runner.notebook(PAGE, outputs)
    assert [cell["cell_type"] for cell in written["cells"]] == [
        "markdown",
        "code",
        "markdown",
        "code",
        "code",
    ]
    assert written["cells"][3]["outputs"][0]["execution_count"] == 2


def test_an_error_names_the_cell():
    with pytest.raises(ZeroDivisionError) as caught:
        runner.run("```python\n1 / 0\n```\n", "page")
    assert traceback.extract_tb(caught.tb)[-1].filename == "page, cell 1"
