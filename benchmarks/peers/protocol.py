"""How a candidate in a process of its own is timed, over pipes.

    python -m peers.snntorch_step '{"workload": "w1", "variant": "compiled", ...}' 1

The second argument is the file descriptor for the answers: a pipe of their own, since
libraries print to stdout as they please. The script prepares, warms up and writes
{"ready": ...}. For each line "time" on stdin it takes one step to be warm again, times
the next ones, as many as begin within TURN_SECONDS but no more than TURN_STEPS, and writes
their mean as {"seconds": ...}; at "finish" it writes its figures and ends. An error, too
little memory included, is written as {"error": ...}.

Nothing but numpy and the standard library is imported: each peer's environment has
its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from importlib import metadata

import numpy as np
from peers.networks import NETWORKS, Network

# Distance of the threshold from rest in standard deviations of the membrane, as in
# training_step.py.
XI = 2.0
# Peak of a pool's answer to one spike, in thresholds: SLAYER's.
POOL_PEAK = 1.1
# Logits per output spike, as keras_slayer.SpikeMaxLoss has them.
LOSS_SCALE = 0.1
# Of peers, whose threshold is 1: training_step.py has 1e-3 at threshold 10.
LEARNING_RATE = 1e-4
WARMUP = 3
TURN_STEPS, TURN_SECONDS = 5, 0.2


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a candidate is to run; `variant` is the script's own."""

    workload: str
    variant: str
    batch: int
    steps: int
    density: float
    threads: int
    memory_gib: float
    processor_time: bool = False

    @property
    def network(self) -> Network:
        return NETWORKS[self.workload]

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.batch, self.steps, *self.network.input_shape)


@dataclasses.dataclass(frozen=True)
class Work:
    """A prepared candidate.

    Attributes:
        step: one training step.
        facts: called at the end: `rates`, spikes per neuron and step of each layer;
            `losses` of the steps (none for neurons alone); `weights`, how many are trained.
        packages: whose versions the report names.
    """

    step: Callable[[], object]
    facts: Callable[[], dict]
    packages: tuple[str, ...]


def events(settings: Settings, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Random spikes (batch, steps, ...) and labels; the same in every library."""
    random = np.random.default_rng(1)
    x = random.random(settings.shape, dtype=np.float32) < settings.density
    return x.astype(np.float32), random.integers(0, classes, settings.batch)


def noise(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal input of neurons alone and gradient of their spikes."""
    random = np.random.default_rng(1)
    return tuple(random.standard_normal(settings.shape, dtype=np.float32) for _ in range(2))


def lif_kernel(tau: float, steps: int = 300) -> np.ndarray:
    """Membrane of a leaky integrator after a unit input at step 0."""
    return np.exp(-np.arange(steps) / tau)


def cuba_kernel(tau: float, steps: int = 300) -> np.ndarray:
    """The same of two leaky integrators in a row, both of this time constant."""
    return (np.arange(steps) + 1) * lif_kernel(tau, steps)


def weight_deviation(kernel, fan_in: int, rate: float, threshold: float = 1.0) -> float:
    """Deviation of weights that let the membrane fluctuate XI deviations below threshold."""
    return threshold / (XI * float(fan_in * rate * np.sum(kernel**2)) ** 0.5)


def pool_weight(kernel, threshold: float = 1.0) -> float:
    return POOL_PEAK * threshold / float(np.max(kernel))


def peak_bytes() -> int:
    """Most memory that this process has held at once."""
    try:
        with open("/proc/self/status") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["VmHWM"].split()[0]) * 1024
    except FileNotFoundError:
        # Not the first choice: on Linux it starts at what the parent process held.
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """`peak_bytes` counts from here on, where the system can do that (Linux)."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def answers() -> Callable[..., None]:
    """What writes a line of JSON to the parent."""
    channel = os.fdopen(int(sys.argv[2]), "w", buffering=1)

    def send(**message):
        print(json.dumps(message), file=channel)

    return send


def serve(prepare: Callable[[Settings], Work], variants: tuple[str, ...]) -> None:
    """Runs the script's side; `prepare` makes the work, its libraries already imported."""
    settings = Settings(**json.loads(sys.argv[1]))
    if settings.variant not in variants:
        raise SystemExit(f"variants are {', '.join(variants)}. Received: {settings.variant!r}")
    send = answers()
    if settings.memory_gib:
        limit = int(settings.memory_gib * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        _serve(settings, prepare, send)
    except Exception as error:
        traceback.print_exc()
        send(error=f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}")


def _mean_step(step) -> tuple[float, float]:
    """Seconds of a step among its like, as in training: of the clock, and of all threads."""
    count, start, passed, used = 0, time.perf_counter(), 0.0, time.process_time()
    while count < TURN_STEPS and passed < TURN_SECONDS:
        step()
        count, passed = count + 1, time.perf_counter() - start
    return passed / count, (time.process_time() - used) / count


def _serve(settings, prepare, send):
    idle = peak_bytes()
    start = time.perf_counter()
    work = prepare(settings)
    forget_peak()  # making the data takes more than having it
    for _ in range(WARMUP):
        work.step()
    send(ready=time.perf_counter() - start)
    processor = float("inf")
    for line in sys.stdin:
        if line.strip() == "finish":
            break
        work.step()
        passed, used = _mean_step(work.step)
        processor = min(processor, used)
        send(seconds=used if settings.processor_time else passed)
    peak = peak_bytes()  # of the work, not of its checks
    versions = {}
    for name in work.packages:
        # None where a package runs from its source folder.
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    send(**work.facts(), peak=peak, idle=idle, versions=versions, processor=processor)
