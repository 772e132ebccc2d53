"""LoihiSimulator against lava-nc's fixed-point models: the same `.net` file and spikes.

lava runs in an environment of its own (`make test-interop` makes it) and one sample
at a time, as a fresh network would: what it takes to start (reading the file,
compiling, starting its processes) and what the run itself takes are told apart. The
ratio is of run times. Ours gets one sample at a time too, where its threads, one
sample each, are of no use. Every output spike of both is compared.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import common
import keras
import numpy as np

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator

RUN_LAVA = pathlib.Path(__file__).parents[1] / "tests" / "interop" / "peers" / "run_lava.py"
NEURON = ks.LoihiCUBA(80, 1024, 128)
DENSITY = 0.005  # spikes per pixel and step, as in N-MNIST


def weights(deviation: float) -> dict:
    """Random weights of which a few percent of the neurons fire, as in a trained network."""
    return {
        "neuron": NEURON,
        "kernel_initializer": keras.initializers.RandomNormal(stddev=deviation),
    }


def pool():
    return ks.SpikingSumPooling2D(2, neuron=NEURON, weight=0.5)


def dense():
    return (300, 2312), [
        ks.SpikingDense(512, **weights(0.1)),
        ks.SpikingDense(10, **weights(0.2)),
    ]


def cnn():
    return (100, 34, 34, 2), [
        ks.SpikingConv2D(12, 5, **weights(0.4)),
        pool(),
        ks.SpikingConv2D(64, 5, **weights(0.06)),
        pool(),
        ks.Flatten(),
        ks.SpikingDense(10, **weights(0.05)),
    ]


NETWORKS = {"2312-512-10, 300 steps": dense, "12c5-2a-64c5-2a-10, 100 steps": cnn}


def seconds(step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def run_lava(python: pathlib.Path, folder: pathlib.Path) -> dict:
    """What run_lava.py says about each network in the folder."""
    done = subprocess.run(
        [python, RUN_LAVA, folder],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    if done.returncode:
        sys.exit(f"{RUN_LAVA.name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().rpartition("\n")[2])


def compare(name: str, python: pathlib.Path, repeats: int) -> None:
    keras.utils.set_random_seed(0)
    shape, layers = NETWORKS[name]()
    model = keras.Sequential([keras.Input(shape), *layers])
    spikes = np.random.default_rng(0).random((repeats, *shape)) < DENSITY
    with tempfile.TemporaryDirectory() as temporary:
        path = pathlib.Path(temporary, "network.net")
        model.export_loihi(path)
        simulator = LoihiSimulator(path)
        load = [seconds(lambda: LoihiSimulator(path)) for _ in range(repeats)]
        record = simulator.record(spikes, "spikes")
        np.savez_compressed(path.with_suffix(".npz"), spikes=spikes, expected=record.spikes)
        rates = [
            common.check_rate(f"{name}, layer {layer.index}", layer.spikes.mean())
            for layer in record.layers
        ]
        # Half before lava and half after it: what else the machine does meets both.
        ours = [seconds(lambda s=s: simulator.run(s[None])) for s in spikes]
        (theirs,) = run_lava(python, path.parent).values()
        ours += [seconds(lambda s=s: simulator.run(s[None])) for s in spikes]
    if "error" in theirs or any(theirs["differing"]):
        sys.exit(f"{name}: lava does not give the same spikes: {theirs}")
    common.print_results(
        f"{name}: one sample ({', '.join(f'{rate:.2%}' for rate in rates)} of the neurons fire in "
        f"a step; {theirs['spikes']} output spikes, 0 differ)",
        [
            common.Result("LoihiSimulator", tuple(ours), {"start": load}),
            common.Result("lava-nc", tuple(theirs["seconds"]["runs"]), theirs["seconds"]),
        ],
        {"ms to start": lambda result: f"{1e3 * np.median(result.facts['start']):.1f}"},
    )


def main() -> None:
    parser = common.parser(__doc__, repeats=5)
    folder = os.environ.get("KERAS_SLAYER_INTEROP", ".interop")
    parser.add_argument("--peers", default=folder, help="the environments' folder (%(default)s)")
    arguments = parser.parse_args()
    python = pathlib.Path(arguments.peers).absolute() / "peers" / "bin" / "python"
    if not python.exists():
        sys.exit(f"No lava: {python} is not there. `make test-interop` makes it.")
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)
    for name in NETWORKS:
        compare(name, python, arguments.repeats)


if __name__ == "__main__":
    main()
