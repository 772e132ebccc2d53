"""The scripts of packaging/ are imported as they are run: by their names, without a package."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parents[2] / "packaging"))
