"""Readers with a bug, to see that the fuzzer finds it: in place of ``fuzz_readers.py``."""

import os
import time
import warnings

import numpy as np

BUG = None
kept = []


class Refused(Exception):  # noqa: N818
    pass


def read(path, rng):
    if not path.name.startswith("damaged"):
        return
    if BUG == "crash":
        os.abort()
    elif BUG == "library":
        exec(compile("import os; os.abort()", "/lib/h5py/_hl/group.py", "exec"))
    elif BUG == "hang":
        time.sleep(600)
    elif BUG == "undocumented":
        raise KeyError("x")
    elif BUG == "nameless":
        raise ValueError("somewhere something is wrong")
    elif BUG == "warning":
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.ones(1) / np.zeros(1)
    elif BUG == "memory":
        np.ones(300 << 20, "u1")
    elif BUG == "wish":
        np.zeros(1 << 43, "u1")


READERS = {"net": read}
