"""Runs the code that a page of docs/coming_from shows of another tool: its fences of `py`.

python run_page.py PAGE: prints the places of the spikes in `out` as JSON.
"""

import json
import pathlib
import re
import sys

import lava_python311  # noqa: F401  what lava needs in Python 3.11
import numpy as np

blocks = re.findall(r"^```py\n(.*?)^```$", pathlib.Path(sys.argv[1]).read_text(), re.M | re.S)
namespace = {}
for block in blocks:
    exec(compile(block, sys.argv[1], "exec"), namespace)
out = np.asarray(namespace["out"])
print(json.dumps({"shape": out.shape, "spikes": np.flatnonzero(out).tolist()}))
