"""Executed notebooks as pages. `docs/notebooks/run.py` executes them."""

import base64
import json
import os
from pathlib import Path

FOLDER = Path(os.environ.get("KERAS_SLAYER_NOTEBOOKS", "out/docs/notebooks"))
SOURCES = Path(__file__).resolve().parents[1] / "notebooks"
DOWNLOAD = "[This page as a notebook]({name}.ipynb), with its output.\n"


def rendered() -> dict[str, str]:
    """Page by its name on the site: text, code, and what it printed and drew."""
    return {f"notebooks/{file.stem}": page(file) for file in executed()}


def executed() -> list[Path]:
    files = [FOLDER / f"{source.stem}.ipynb" for source in sorted(SOURCES.glob("*.md"))]
    if missing := [str(file) for file in files if not file.exists()]:
        raise FileNotFoundError(f"python docs/notebooks/run.py makes {', '.join(missing)}")
    return files


def pictures() -> dict[str, Path]:
    """Place on the site by file: pictures, and the notebooks to download."""
    found = {}
    for file in executed():
        found[f"notebooks/{file.name}"] = file
        cells = json.loads(file.read_text())["cells"]
        for number, cell in enumerate(cells):
            for output in cell.get("outputs", ()):
                if png := output.get("data", {}).get("image/png"):
                    target = FOLDER / f"{file.stem}-{number}.png"
                    target.write_bytes(base64.b64decode(png))
                    found[f"notebooks/{target.name}"] = target
    return found


def page(file: Path) -> str:
    parts = []
    for number, cell in enumerate(json.loads(file.read_text())["cells"]):
        if cell["cell_type"] == "markdown":
            parts.append(cell["source"])
            continue
        parts.append(f"```python\n{cell['source']}\n```")
        parts += [shown(output, f"{file.stem}-{number}.png") for output in cell["outputs"]]
    return "\n\n".join(parts) + "\n\n---\n\n" + DOWNLOAD.format(name=file.stem)


def shown(output: dict, picture: str) -> str:
    if "image/png" in output.get("data", {}):
        return f"![Output of the cell above]({picture})"
    text = output["text"] if "text" in output else output["data"]["text/plain"]
    return f"```text {{ .output }}\n{text.rstrip()}\n```"
