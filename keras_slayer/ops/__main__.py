"""``python -m keras_slayer.ops``: which ops are in use; ``... build``: compile them."""

import argparse

import tensorflow as tf

from keras_slayer.ops import build, library


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m keras_slayer.ops",
        description="Says which ops are in use, and compiles the native ones on request.",
    )
    parser.add_argument(
        "action", nargs="?", choices=["status", "build"], default="status", help="default: status"
    )
    if parser.parse_args().action == "build" and library.find_library() is None:
        try:
            library.build_into_cache()
        except build.BuildError as error:
            parser.exit(1, f"The native ops cannot be compiled: {error}\n")
    print(f"tensorflow  {tf.__version__}")
    print(f"backend     {library.backend()}")
    if library.backend() == "native":
        print(f"library     {library.find_library()}")
    print(f"cache       {library.cache_folder()}")


if __name__ == "__main__":
    main()
