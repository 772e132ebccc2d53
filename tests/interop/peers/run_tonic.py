"""Applies tonic's transforms to a recording.

    python run_tonic.py task.json

``task.json`` holds ``events``, a list of [x, y, t, polarity], and ``transforms``, a list of [name
of a class in tonic.transforms, its keyword arguments].

Prints one JSON line: results, for each transform the list of events, or the frames that it makes.
Needs tonic, and none of TensorFlow, Keras or keras_slayer.
"""

import json
import pathlib
import sys

import numpy as np
from tonic import transforms


def main():
    task = json.loads(pathlib.Path(sys.argv[1]).read_text())
    fields = [("x", int), ("y", int), ("t", int), ("p", int)]
    events = np.array([tuple(event) for event in task["events"]], fields)
    results = []
    for name, arguments in task["transforms"]:
        # JSON has no tuples.
        arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}
        result = getattr(transforms, name)(**arguments)(events.copy())
        if result.dtype.names:
            result = np.stack([result[field] for field, _ in fields], axis=1)
        results.append(result.astype(int).tolist())
    print(json.dumps({"results": results}))


main()
