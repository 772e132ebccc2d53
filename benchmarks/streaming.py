"""Time and memory of live steps, from events to events, call from Python included.

    python benchmarks/streaming.py
    python benchmarks/streaming.py --endurance 1000000     # memory after so many steps

Two networks: 2312-512-10 and that of the gestures, 128x128x2-4a-16c5-2a-32c3-2a-512-11. Beside
`Stream.step` a call of the stream on a chunk of one step and, of the exported file, the step of
`LoihiSimulator.stream()`. For 2312-512-10 also snnTorch and Norse, with their LIF neurons, if their
environment is there (`make bench-peers` makes it). The rows take turns of 50 steps. "best" is the
least median of a turn.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import time

import common
import keras
import numpy as np
import plain_networks

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator

FOLDER = pathlib.Path(__file__).parent
DENSITY = 0.005  # of the input, as in N-MNIST
TARGETS = {"2312-512-10": (100, 300), "gestures": (1000, None)}  # us: median, 99th percentile
TURN = 50  # steps
PEERS = [(f"{peer}, {how}", f"{peer}_live", how) for peer in ("snntorch", "norse")
         for how in ("eager", "compiled")]  # fmt: skip
CHUNK = 1000  # steps, of --endurance


def dense(neuron):
    return keras.Sequential(
        [
            keras.Input((300, 2312)),
            ks.SpikingDense(512, neuron=neuron),
            ks.SpikingDense(10, neuron=neuron),
        ]
    )


def gestures(neuron):
    return keras.Sequential(
        [
            keras.Input((300, 128, 128, 2)),
            *plain_networks.gestures(neuron),
            ks.SpikingDense(11, neuron=neuron),
        ]
    )


class Local:
    """A row in this process: ``run(t)`` is step t."""

    def __init__(self, run):
        self.run, self.t = run, 0
        self.time(2)

    def time(self, count) -> list[float]:
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            self.run(self.t)
            seconds.append(time.perf_counter() - start)
            self.t += 1
        return seconds


class Remote:
    """A peer in its environment (peers/live.py)."""

    def __init__(self, stack, python, script, **settings):
        reading, writing = os.pipe()
        threads = str(settings["threads"])
        self.process = stack.enter_context(
            subprocess.Popen(
                [python, "-m", f"peers.{script}", json.dumps(settings), str(writing)],
                cwd=FOLDER,
                env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
                stdin=subprocess.PIPE,
                pass_fds=(writing,),
                text=True,
            )
        )
        os.close(writing)
        self.answers = stack.enter_context(os.fdopen(reading))
        self.versions = self._answer()["ready"]

    def time(self, count) -> list[float]:
        print(count, file=self.process.stdin, flush=True)
        return self._answer()["seconds"]

    def _answer(self):
        line = self.answers.readline()
        if not line:
            raise SystemExit(f"{self.process.args[2]} ended with an error.")
        return json.loads(line)


def measure(name, build, neuron, steps, start_peers=None):
    keras.utils.set_random_seed(1)
    model = build(neuron)
    random = np.random.default_rng(1)
    frames = (random.random((steps + 2, *model.input_shape[2:])) < DENSITY).astype("float32")
    ks.set_firing_rates(model, frames[np.newaxis, :200], rate=0.02)
    events = [np.flatnonzero(frame).astype("int32") for frame in frames]
    chunks = frames[:, np.newaxis, np.newaxis]
    single, chunked = ks.Stream(model), ks.Stream(model)
    rows = {
        "Stream.step(events)": Local(lambda t: single.step(events[t])),
        "Stream(chunk of one step)": Local(lambda t: chunked(chunks[t])),
    }
    if neuron == "loihi":
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "net.net"
            model.export_loihi(path)
            chip = LoihiSimulator(path, threads=1).stream()
        rows["LoihiSimulator.stream().step"] = Local(lambda t: chip.step(events[t]))
    with contextlib.ExitStack() as stack:
        if start_peers is not None:
            rows.update(start_peers(stack, steps))
        seconds = {row: [] for row in rows}
        for _ in range(steps // TURN):
            for row, runner in rows.items():
                seconds[row].append(runner.time(TURN))
    print(f"\n{name}, {neuron}, {len(events[0])} events in a step, {steps // TURN * TURN} steps")
    print(f"{'':32}{'best':>10}{'median':>10}{'99 %':>10}   us")
    for row, turns in seconds.items():
        best = 1e6 * np.median(turns, axis=1).min()
        median, worst = np.percentile(turns, [50, 99]) * 1e6
        versions = getattr(rows[row], "versions", "")
        print(f"{row:32}{best:10.1f}{median:10.1f}{worst:10.1f}   {versions}")
    print(f"goal: median {TARGETS[name][0]} us, 99 % {TARGETS[name][1] or '-'} us")


def peers(environments, threads):
    """What starts the peers for ``measure``; None where their environment is not."""
    python = environments / "lava" / "bin" / "python"
    if not python.exists():
        print(f"No snnTorch and Norse: there is no {python} (make bench-peers).")
        return None

    def start(stack, steps):
        settings = {"steps": steps, "threads": threads, "density": DENSITY}
        path = str(python.absolute())
        return {
            name: Remote(stack, path, script, variant=variant, **settings)
            for name, script, variant in PEERS
        }

    return start


def endure(steps):
    """Memory of the process while a stream takes so many steps, one by one and in chunks."""
    model = dense("srm")
    random = np.random.default_rng(1)
    chunk = (random.random((1, CHUNK, 2312)) < DENSITY).astype("float32")
    ks.set_firing_rates(model, chunk[:, :200], rate=0.02)
    events = [np.flatnonzero(frame).astype("int32") for frame in chunk[0]]

    def one_by_one(stream):
        for places in events:
            stream.step(places)

    for name, run in (("step", one_by_one), (f"chunks of {CHUNK}", lambda stream: stream(chunk))):
        stream = ks.Stream(model)
        run(stream)
        run(stream)
        before, start = resident(), time.perf_counter()
        while stream.steps < steps:
            run(stream)
        passed = time.perf_counter() - start
        print(
            f"2312-512-10, {name}: {stream.steps:,} steps in {passed:.0f} s, resident memory "
            f"{before / 2**20:.1f} MB after {2 * CHUNK:,}, {resident() / 2**20:.1f} MB at the end"
        )


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["VmRSS"].split()[0]) * 1024


def main():
    parser = common.parser(__doc__, repeats=2000)
    parser.add_argument(
        "--environments", type=pathlib.Path, default=pathlib.Path(".bench"), help="(%(default)s)"
    )
    parser.add_argument("--endurance", type=int, metavar="STEPS", help="memory after so many steps")
    arguments = parser.parse_args()
    if arguments.repeats < TURN:
        parser.error(f"--repeats must be at least {TURN}")
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)
    if arguments.endurance:
        endure(arguments.endurance)
        return
    start_peers = peers(arguments.environments, arguments.threads)
    for neuron in ("srm", "loihi"):
        others = start_peers if neuron == "srm" else None
        measure("2312-512-10", dense, neuron, arguments.repeats, others)
        measure("gestures", gestures, neuron, max(arguments.repeats // 4, TURN))


if __name__ == "__main__":
    main()
