"""Makes the figures of the examples in docs/results.md again, one command after the other.

    python benchmarks/results.py --data-dir NMNIST --oxford-dir OXFORD     # all: two to three hours
    python benchmarks/results.py delays depth                              # some

NMNIST holds Train.zip and Test.zip, OXFORD input.bs1 and output.bs1; what needs a folder that is
not given is left out. What each command prints goes to OUTPUT/NAME.txt, and OUTPUT/machine.txt says
on what it ran.
"""

import argparse
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SEEDS = (1, 2, 3)


def commands(data_dir, oxford_dir) -> dict[str, list[str]]:
    """Arguments of each run by its name, the example first."""
    made = {
        "poisson_slayer": ["poisson_spike_times"],
        "poisson_exodus": ["poisson_spike_times", "--gradient", "exodus"],
        "delays": ["delays"],
        "leaks": ["delays", "--leaks"],
        "motion": ["visual_motion"],
        "depth": ["depth", "--seeds", *map(str, SEEDS)],
        "words": ["keywords"],
        "gesture_8_bits": ["dvs_gesture", "--epochs", "14"],
        "gesture_4_bits": ["dvs_gesture", "--weight-bits", "4", "--epochs", "20"],
    }
    if data_dir is not None:
        residual = ["residual", "--data-dir", str(data_dir)]
        made["residual"] = [*residual, "--seeds", *map(str, SEEDS)]
        made["residual_loihi"] = [*residual, "--networks", "residual", "--neuron", "loihi"]
    for seed in map(str, SEEDS):
        made[f"first_spikes_{seed}"] = ["first_spikes", "--seed", seed]
        if oxford_dir is not None:
            files = ["--input", f"{oxford_dir}/input.bs1", "--target", f"{oxford_dir}/output.bs1"]
            for gradient in ("slayer", "exodus"):
                options = ["--gradient", gradient, "--seed", seed]
                made[f"oxford_{gradient}_{seed}"] = ["oxford", *files, *options]
        if data_dir is not None:
            nmnist = ["nmnist", "--data-dir", str(data_dir), "--seed", seed]
            made[f"paper_{seed}"] = [*nmnist, "--network", "cnn", "--recipe", "paper"]
            for network in ("mlp", "cnn"):
                for neuron in ("srm", "loihi"):
                    options = ["--hold-out", "--network", network, "--neuron", neuron]
                    made[f"{network}_{neuron}_{seed}"] = [*nmnist, *options, "--test-shift", "1"]
    return made


def run(name: str, arguments: list[str], output: pathlib.Path) -> None:
    script, *options = arguments
    folder = output / name
    command = [sys.executable, str(ROOT / "examples" / f"{script}.py"), *options]
    start = time.monotonic()
    with open(output / f"{name}.txt", "w") as text, open(output / f"{name}.log", "w") as log:
        done = subprocess.run([*command, "--output", str(folder)], stdout=text, stderr=log)
    outcome = "done" if done.returncode == 0 else f"failed, see {output / name}.log"
    print(f"{name:18} {outcome}, {time.monotonic() - start:.0f} s", flush=True)


def machine() -> str:
    from host import machine, versions

    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    return f"{machine(2)}\n{named}\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="of runs, or the beginning of their names")
    parser.add_argument("--data-dir", type=pathlib.Path, help="folder of N-MNIST")
    parser.add_argument("--oxford-dir", type=pathlib.Path, help="folder of the Radcliffe Camera")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("out/results"))
    arguments = parser.parse_args()
    made = commands(arguments.data_dir, arguments.oxford_dir)
    chosen = [n for n in made if not arguments.names or n.startswith(tuple(arguments.names))]
    if not chosen:
        parser.error(f"names are {', '.join(made)}. Received: {', '.join(arguments.names)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "machine.txt").write_text(machine())
    for name in chosen:
        run(name, made[name], arguments.output)


if __name__ == "__main__":
    main()
