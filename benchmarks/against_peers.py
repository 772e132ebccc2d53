"""One training step of a workload in this package and in its peers, in turn.

    python benchmarks/against_peers.py w1
    python benchmarks/against_peers.py w2 --candidates keras_slayer lava

Each candidate is a process of its own in its library's environment (`make bench-peers`
makes them under .bench); peers/protocol.py says how they are timed, and what the
libraries print is in a log beside the results. All have the same network, batch, spikes
and loss, and Adam; "no reset" marks those whose neurons have none (peers/toeplitz_step.py). A
turn takes a few steps of each candidate, and times all but the first.

Columns: MB is the peak memory of the steps, tracing and compiling included, over that of the
imports; "/ memory" and "/ dense" are the median in multiples of the ms that the machine's memory
and dense products allow at best.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import selectors
import subprocess
import sys
import time

import common
import limits
from peers import networks
from peers.networks import NETWORKS, Dense
from peers.protocol import Settings

FOLDER = pathlib.Path(__file__).parent
OURS = "keras_slayer"
# None is this Python: TensorFlow, Keras and keras_slayer.
LAVA, SPIKINGJELLY, JAX = "lava", "spikingjelly", "jax"
# Lets a candidate's threads go to sleep before another one is timed.
PAUSE_SECONDS = 0.03


@dataclasses.dataclass(frozen=True)
class Peer:
    """A candidate: script and variant of `peers`, and the environment that runs it."""

    name: str
    script: str
    variant: str
    environment: str | None = None


PEERS = [
    Peer(f"{OURS}, SRM", "keras_slayer_step", "srm"),
    Peer(f"{OURS}, CUBA", "keras_slayer_step", "cuba"),
    Peer(f"{OURS}, LoihiCUBA", "keras_slayer_step", "loihi"),
    Peer(f"{OURS}, SRM, spikes in bytes", "keras_slayer_step", "bytes srm"),
    Peer(f"{OURS}, SRM, Keras' Adam", "keras_slayer_step", "adam srm"),
    Peer("dense TensorFlow twin, SRM", "keras_slayer_step", "dense srm"),
    Peer("Toeplitz in TensorFlow, no reset", "toeplitz_step", "xla neurons"),
    Peer("Toeplitz in TensorFlow, no reset, XLA", "toeplitz_step", "xla step"),
    Peer("Toeplitz in TensorFlow, no reset, sparse", "toeplitz_step", "sparse input"),
    Peer("Keras RNN cell", "keras_rnn_step", "graph"),
    Peer("Keras RNN cell, XLA", "keras_rnn_step", "xla"),
    Peer("lava-dl CUBA, float weights", "lava_dl_step", "float", LAVA),
    Peer("lava-dl CUBA, 8 bits, delays", "lava_dl_step", "delays", LAVA),
    Peer("spikingjelly LIF", "spikingjelly_step", "lif", SPIKINGJELLY),
    Peer("spikingjelly CUBA", "spikingjelly_step", "cuba", SPIKINGJELLY),
    Peer("snnTorch Leaky, loop", "snntorch_step", "loop", LAVA),
    Peer("snnTorch Leaky, compiled", "snntorch_step", "compiled", LAVA),
    Peer("Norse LIF box, compiled", "norse_step", "compiled", LAVA),
    Peer("Spyx LIF", "spyx_step", "lif", JAX),
]


class CandidateError(RuntimeError):
    """A candidate that could not run: the reason goes into the table."""


class Process:
    """The other end of peers/protocol.py."""

    def __init__(self, peer, settings, environments, log):
        self.peer, self.seconds = peer, []
        self.process, self.answers = start(peer, settings, environments, log)

    def receive(self, patience: float) -> dict:
        with selectors.DefaultSelector() as selector:
            selector.register(self.answers, selectors.EVENT_READ)
            if not selector.select(patience):
                raise CandidateError(f"no step within {patience:.0f} s")
        line = self.answers.readline()
        if not line:
            raise CandidateError(f"ended with code {self.process.wait()}")
        message = json.loads(line)
        if "error" in message:
            raise CandidateError(message["error"])
        return message

    def ask(self, command: str, patience: float) -> dict:
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.receive(patience)

    def time(self, patience: float) -> None:
        self.seconds.append(self.ask("time", patience)["seconds"])

    def finish(self, patience: float) -> common.Result:
        facts = self.ask("finish", patience)
        for index, rate in enumerate(facts["rates"]):
            common.check_rate(f"{self.peer.name}, layer {index}", rate)
        for loss in facts.get("losses", []):
            common.check_finite(f"the loss of {self.peer.name}", loss)
        peak, idle = facts.pop("peak"), facts.pop("idle")
        return common.Result(self.peer.name, tuple(self.seconds), facts, peak, idle)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.answers.close()


def start(peer, settings, environments, log):
    """(process of the peer's script, file of its answers); `settings` are a dataclass."""
    reading, writing = os.pipe()
    threads = str(settings.threads)
    arguments = [json.dumps(dataclasses.asdict(settings)), str(writing)]
    process = subprocess.Popen(
        [python(peer, environments), "-m", f"peers.{peer.script}", *arguments],
        cwd=FOLDER,
        env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        pass_fds=(writing,),
        text=True,
    )
    os.close(writing)
    return process, os.fdopen(reading)


def python(peer: Peer, environments: pathlib.Path) -> str:
    if peer.environment is None:
        return sys.executable
    path = environments / peer.environment / "bin" / "python"
    if not path.exists():
        raise SystemExit(f"{peer.name} needs {path}: `make bench-peers` makes its environment.")
    return str(path.absolute())


def run(peers, settings, arguments) -> tuple[list[common.Result], dict[str, str]]:
    """Results, and by name why the others have none."""
    running, failures = [], {}

    def attempt(process, action):
        try:
            return action(arguments.patience)
        except (CandidateError, RuntimeError) as error:
            failures[process.peer.name] = str(error)
            print(f"{process.peer.name}: {error}", flush=True)
            process.end()
            if process in running:
                running.remove(process)
        return None

    log_path = arguments.output / f"against_peers_{arguments.workload}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with open(log_path, "w") as log, contextlib.ExitStack() as stack:
        for peer in peers:
            own = dataclasses.replace(settings, variant=peer.variant)
            process = Process(peer, own, arguments.environments, log)
            stack.callback(process.end)
            running.append(process)
            if ready := attempt(process, process.receive):
                print(f"{peer.name}: ready after {ready['ready']:.0f} s", flush=True)
        for _ in range(arguments.repeats):
            for process in list(running):
                time.sleep(PAUSE_SECONDS)
                attempt(process, process.time)
        results = [attempt(process, process.finish) for process in list(running)]
    results = [result for result in results if result is not None]
    for result in results:
        found = result.facts.get("weights", settings.network.weights)
        if found != settings.network.weights:
            raise SystemExit(f"{result.name} has {found} weights, not {settings.network.weights}")
    return results, failures


def columns(network, settings, found: limits.Limits) -> dict:
    """Memory, and the median in multiples of what each limit of the machine allows."""
    size = (settings.batch, settings.steps)
    memory = networks.least_bytes(network, *size) / found.bytes_per_second
    made = {
        "MB": lambda r: common.megabytes(r.peak_bytes - r.idle_bytes),
        f"/ memory {1e3 * memory:.1f}": lambda r: f"{r.median / memory:.1f}",
    }
    if network.specs:
        dense = networks.dense_flops(network, *size) / found.flops_per_second
        made[f"/ dense {1e3 * dense:.1f}"] = lambda r: f"{r.median / dense:.2f}"
    return made


def options(arguments) -> Settings:
    network = NETWORKS[arguments.workload]
    return Settings(
        workload=arguments.workload,
        variant="",
        batch=arguments.batch or network.batch,
        steps=arguments.steps or network.steps,
        density=network.density if arguments.density is None else arguments.density,
        threads=arguments.threads,
        memory_gib=arguments.memory,
        processor_time=arguments.processor_time,
    )


def parse_arguments():
    parser = common.parser(__doc__, repeats=9)
    common.add_output(parser)
    parser.add_argument("workload", choices=list(NETWORKS))
    parser.add_argument(
        "--candidates", nargs="+", default=[""], help="names contain one of these (default: all)"
    )
    parser.add_argument(
        "--environments", type=pathlib.Path, default=".bench", help="folder (%(default)s)"
    )
    what = "of all threads, not the clock's: where others use the machine"
    parser.add_argument("--processor-time", action="store_true", help=what)
    parser.add_argument("--batch", type=int, help="instead of the workload's")
    parser.add_argument("--steps", type=int, help="instead of the workload's")
    parser.add_argument("--density", type=float, help="of the input, instead of the workload's")
    parser.add_argument(
        "--memory", type=float, default=6, help="GiB that a candidate may take (%(default)s)"
    )
    parser.add_argument(
        "--patience", type=float, default=240, help="seconds to wait for a step (%(default)s)"
    )
    return parser.parse_args()


def left_out(specs) -> set[str]:
    """Variants that would be another one over again."""
    if not specs:
        # Without products there is nothing to train, round or delay, to be dense or sparse.
        return {"dense srm", "bytes srm", "adam srm", "delays", "xla step", "sparse input"}
    # TensorFlow has no convolution and no pool of sparse tensors.
    return set() if isinstance(specs[0], Dense) else {"sparse input"}


def chosen_peers(arguments) -> list[Peer]:
    named = [p for p in PEERS if any(text in p.name for text in arguments.candidates)]
    specs = NETWORKS[arguments.workload].specs
    named = [p for p in named if p.variant not in left_out(specs)]
    if not named:
        raise SystemExit(f"candidates are {', '.join(peer.name for peer in PEERS)}")
    return named


def main():
    arguments = parse_arguments()
    peers, settings = chosen_peers(arguments), options(arguments)
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)
    found = limits.measure(arguments.threads)
    limits_table = limits.table(found)
    limits_table.print()
    results, failures = run(peers, settings, arguments)
    if not results:
        raise SystemExit("None of the candidates ran.")
    network = settings.network
    of = f"batch {settings.batch}, T = {settings.steps}"
    of += f", density {settings.density:.2%}" if network.specs else ""
    of += ", processor time" * settings.processor_time
    table = common.results_table(
        f"{arguments.workload.upper()}: {network.title}, {of}",
        results,
        columns(network, settings, found),
    )
    table.print()
    tables = [limits_table, table]
    if failures:
        tables.append(common.Table("Did not run", ("", "why"), list(failures.items())))
    versions = {}
    for result in results:
        versions.update(result.facts["versions"])
    print(", ".join(f"{name} {version}" for name, version in sorted(versions.items())))
    medians = {result.name: result.median for result in results}
    memory = {result.name: result.peak_bytes - result.idle_bytes for result in results}
    common.save(
        arguments.output,
        f"against_peers_{arguments.workload}",
        arguments.threads,
        tables,
        peers=versions,
        medians=medians,
        memory=memory,
        rates={result.name: result.facts["rates"] for result in results},
    )


if __name__ == "__main__":
    main()
