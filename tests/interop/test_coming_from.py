"""Pages for users of another tool: its program and ours give the same spikes."""

import pathlib
import re

import numpy as np
import pytest

PAGES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "coming_from"


# slayerPytorch needs a GPU.
@pytest.mark.parametrize("name", ["snntorch", "spikingjelly", "lava_dl"])
def test_programs_of_the_page_agree(run_peer, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    page = PAGES / f"{name}.md"
    namespace = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        exec(compile(block, str(page), "exec"), namespace)
    out = namespace["out"]
    theirs = run_peer("lava" if name == "lava_dl" else "nir", "run_page.py", page)
    assert list(out.shape) == theirs["shape"]
    assert out.sum() > 20
    assert np.flatnonzero(out).tolist() == theirs["spikes"]
