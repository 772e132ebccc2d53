"""How a peer is timed live: 2312-512-10, a step of 1 ms at a time, from events to events.

    python -m peers.snntorch_live '{"variant": "eager", "steps": 2000, "threads": 2, ...}' 1

The second argument is the file descriptor for the answers. The script prepares, warms up and writes
{"ready": ...}. For each number on stdin it runs so many steps and writes {"seconds": [...]}.

Nothing but numpy, PyTorch and the standard library is imported.
"""

from __future__ import annotations

import json
import math
import sys
import time
from importlib import metadata

import numpy as np
import torch
from peers import protocol
from torch import nn

INPUTS, HIDDEN, OUTPUTS = 2312, 512, 10
TAU = 10.0  # steps, of the membranes
BETA = math.exp(-1 / TAU)
RATE = 0.01  # of the hidden neurons, about: sets the size of the weights after them
WARMUP = 200


def synapses(density: float, gain: float = 1.0) -> list[nn.Linear]:
    """The two products, with weights that let the neurons (threshold 1) fire now and then."""
    kernel, made = gain * protocol.lif_kernel(TAU), []
    for inputs, outputs, rate in ((INPUTS, HIDDEN, density), (HIDDEN, OUTPUTS, RATE)):
        linear = nn.Linear(inputs, outputs, bias=False)
        nn.init.normal_(linear.weight, std=protocol.weight_deviation(kernel, inputs, rate))
        made.append(linear)
    return made


def serve(prepare, variants: tuple[str, ...], packages: tuple[str, ...]) -> None:
    """Runs the script's side.

    ``prepare(variant, density)`` returns (step, state): step(frame, state) gives the output spikes
    and the next state.
    """
    settings = json.loads(sys.argv[1])
    variant, density = settings["variant"], settings["density"]
    if variant not in variants:
        raise SystemExit(f"variants are {', '.join(variants)}. Received: {variant!r}")
    send = protocol.answers()
    torch.manual_seed(1)
    torch.set_num_threads(settings["threads"])
    random = np.random.default_rng(1)
    frames = random.random((settings["steps"], INPUTS)) < density
    events = [torch.from_numpy(np.flatnonzero(frame)) for frame in frames]
    with torch.inference_mode():
        step, state = prepare(variant, density)
        fired = 0

        def run(t, state):
            frame = torch.zeros(1, INPUTS)
            frame[0, events[t]] = 1.0
            spikes, state = step(frame, state)
            return torch.nonzero(spikes[0]).flatten(), state

        for t in range(WARMUP):
            places, state = run(t, state)
            fired += len(places)
        if not 0 < fired < 0.5 * WARMUP * OUTPUTS:
            raise SystemExit(f"{fired} spikes in {WARMUP} steps: not a usual network")
        send(ready=", ".join(f"{name} {metadata.version(name)}" for name in packages))
        t = WARMUP
        for line in sys.stdin:
            seconds = []
            for _ in range(int(line)):
                start = time.perf_counter()
                _, state = run(t % len(events), state)
                seconds.append(time.perf_counter() - start)
                t += 1
            send(seconds=seconds)
