"""Makes the pictures of README and docs anew, each from a run of an example or a benchmark.

    python docs/images/pictures.py --list
    python docs/images/pictures.py delays.png [...] [--data-dir FOLDER]

Most of them train networks first, for minutes to hours. `--data-dir` is the folder with N-MNIST's
Train.zip and Test.zip. Pictures in docs/images/visualization/ are made by visualization.py beside
this file, and the notebooks draw theirs when the site is built.
"""

import argparse
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]


class Made(NamedTuple):
    command: str  # {data} is the data folder, {output} a new one
    file: str  # that the command writes into {output}
    page: str  # that shows the picture


PICTURES = {
    "dataset_nmnist.png": Made(
        "docs/images/datasets.py nmnist --data-dir {data} --output {output}",
        "dataset.png",
        "docs/datasets/nmnist.md",
    ),
    **{
        f"dataset_{name}.png": Made(
            f"docs/images/datasets.py {name} --output {{output}}",
            "dataset.png",
            f"docs/datasets/{name}.md",
        )
        for name in ("saccade_mnist", "synthetic_gestures", "synthetic_words")
    },
    "savme.png": Made("examples/savme.py --output {output}", "savme.png", "docs/papers.md"),
    "summary.png": Made(
        "examples/nmnist.py --neuron loihi --data-dir {data} --output {output}",
        "summary.png",
        "README.md",
    ),
    "mistakes.png": Made(
        "examples/nmnist.py --hold-out --data-dir {data} --output {output}",
        "mistakes.png",
        "docs/results.md",
    ),
    "defaults.png": Made(
        "benchmarks/defaults.py main rates --data-dir {data} --output {output}",
        "defaults.png",
        "docs/defaults.md",
    ),
    "spike_times.png": Made(
        "examples/oxford.py --output {output}", "oxford.png", "docs/results.md"
    ),
    "delays.png": Made("examples/delays.py --output {output}", "delays.png", "docs/results.md"),
    "motion_delays.png": Made(
        "examples/visual_motion.py --output {output}", "delays.png", "docs/results.md"
    ),
    "cores.png": Made("examples/dvs_gesture.py --output {output}", "cores.png", "docs/loihi.md"),
}


def make(name: str, data: str | None) -> None:
    made = PICTURES[name]
    if "{data}" in made.command and not data:
        raise SystemExit(f"{name} is of N-MNIST: give --data-dir. Received: --data-dir=None")
    with tempfile.TemporaryDirectory() as output:
        command = made.command.format(data=shlex.quote(data or ""), output=output)
        print(f"{name}: python {command}", flush=True)
        subprocess.run([sys.executable, *shlex.split(command)], cwd=ROOT, check=True)
        shutil.copyfile(pathlib.Path(output, made.file), FOLDER / name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    parser.add_argument("--data-dir", help="folder with N-MNIST's Train.zip and Test.zip")
    parser.add_argument("--list", action="store_true", help="print who makes what, and end")
    arguments = parser.parse_args()
    if arguments.list:
        for name, made in PICTURES.items():
            print(f"{name}: python {made.command}: {made.file}, in {made.page}")
        return
    if not arguments.names or set(arguments.names) - set(PICTURES):
        parser.error(f"names are of {', '.join(PICTURES)}. Received: names={arguments.names}")
    for name in arguments.names:
        make(name, arguments.data_dir)


if __name__ == "__main__":
    main()
