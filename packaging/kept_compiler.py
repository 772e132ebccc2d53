#!/usr/bin/env python3
"""A C++ compiler that keeps the objects which see no TensorFlow.

Nine tenths of the ops are the same for every TensorFlow. ``op_libraries.py`` names this file
as CXX, so that they are compiled once. Environment:

    KEPT_COMPILER: the compiler that does the work.
    KEPT_OBJECTS: where the objects are kept; a folder of its own for each state of the sources.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys


def main() -> int:
    compiler, arguments = os.environ["KEPT_COMPILER"], sys.argv[1:]
    command = [compiler, *arguments]
    # build.py gives TensorFlow's headers with -isystem; without -c it links.
    if "-c" not in arguments or any(word.startswith("-isystem") for word in arguments):
        return subprocess.call(command)
    *key, output = command  # build.py ends each with -o OBJECT
    name = hashlib.sha256("\0".join(key).encode()).hexdigest()[:16]
    kept = pathlib.Path(os.environ["KEPT_OBJECTS"], f"{name}.o")
    if not kept.exists():
        if code := subprocess.call(command):
            return code
        partial = kept.with_suffix(f".{os.getpid()}")
        shutil.copyfile(output, partial)
        os.replace(partial, kept)  # whole or not at all
    shutil.copyfile(kept, output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
