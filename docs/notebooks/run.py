"""Runs the notebooks of this folder, and keeps what they print and draw.

    python docs/notebooks/run.py --output out/docs/notebooks [NAME ...]

A notebook is Markdown with cells of Python in fences, so that it can be read and compared as any
page. Each becomes a .ipynb file with its output, for Jupyter and for the site (`make docs`).
"""

import argparse
import ast
import base64
import contextlib
import io
import json
import os
import pathlib
import re
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FOLDER = pathlib.Path(__file__).resolve().parent
CELL = re.compile(r"^```python\n(.*?)^```$\n?", flags=re.DOTALL | re.MULTILINE)


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.md"))


def cells(text: str) -> list[tuple[str, str]]:
    """("markdown" or "code", source) of each cell."""
    found = [(("markdown", "code")[k % 2], part) for k, part in enumerate(CELL.split(text))]
    return [(kind, part.strip("\n")) for kind, part in found if part.strip()]


def run(text: str, name: str) -> list[list[dict]]:
    """Outputs of each code cell, in Jupyter's form. Cells share a namespace of their own."""
    import keras

    keras.utils.set_random_seed(0)
    namespace = {"__name__": "__main__"}
    code = [source for kind, source in cells(text) if kind == "code"]
    return [
        run_cell(source, namespace, f"{name}, cell {number}")
        for number, source in enumerate(code, start=1)
    ]


def run_cell(source: str, namespace: dict, place: str) -> list[dict]:
    """As Jupyter does: the value of a last expression is shown, unless it ends in a semicolon."""
    tree = ast.parse(source, place)
    last = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    silent = source.rstrip().endswith(";")
    if last:
        tree.body.pop()
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, place, "exec"), namespace)
        if last:
            value = eval(compile(ast.Expression(last.value), place, "eval"), namespace)
    outputs = []
    if text := printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": text})
    if value is not None and not silent:
        outputs.append(
            {
                "output_type": "execute_result",
                "execution_count": None,
                "metadata": {},
                "data": picture(value) | {"text/plain": repr(value)},
            }
        )
    return outputs


def picture(value) -> dict:
    """PNG of a figure, in base64; nothing for other values."""
    if not hasattr(value, "savefig"):
        return {}
    buffer = io.BytesIO()
    value.savefig(buffer, format="png", dpi=110)
    return {"image/png": base64.b64encode(buffer.getvalue()).decode()}


def notebook(text: str, outputs: list[list[dict]]) -> dict:
    """A .ipynb file, nbformat 4.5."""
    written, remaining, executed = [], iter(outputs), 0
    for number, (kind, source) in enumerate(cells(text)):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source}
        if kind == "code":
            executed += 1
            shown = [
                part | {"execution_count": executed} if "execution_count" in part else part
                for part in next(remaining)
            ]
            cell |= {"execution_count": executed, "outputs": shown}
        written.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": written, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}")
    parser.add_argument("--output", default="out/docs/notebooks", help="folder (%(default)s)")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names()):
        parser.error(f"no such notebook: {', '.join(sorted(unknown))}")
    output = pathlib.Path(arguments.output).resolve()
    output.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or names():
        text = (FOLDER / f"{name}.md").read_text()
        start = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            try:
                outputs = run(text, name)
            except Exception as error:
                error.add_note(f"in the notebook {name}")
                raise
        file = output / f"{name}.ipynb"
        file.write_text(json.dumps(notebook(text, outputs), indent=1) + "\n")
        passed = time.perf_counter() - start[0], time.process_time() - start[1]
        print(f"{name}: {passed[0]:.1f} s, processor time {passed[1]:.1f} s", flush=True)


if __name__ == "__main__":
    main()
