"""One training step of a recurrent spiking network here, as a Keras RNN cell, and in snnTorch.

    python benchmarks/recurrent.py
    python benchmarks/recurrent.py --candidates keras_slayer "Keras RNN" --steps 500

700 inputs, 256 neurons that feed each other, 20 neurons to read out from, 250 steps, batches of 32
with 3 % of the inputs firing per step: forward, backward and update by Adam. Each candidate is a
process of its own (peers/protocol.py); `make bench-peers` makes the environments of the others.
All take turns, so that whatever else the machine does meets all alike: compare ratios. The column
`processor` is the least time of all cores together, which other work of the machine is not in.
"""

import argparse
import contextlib
import pathlib
import time

import common
from against_peers import LAVA, PAUSE_SECONDS, CandidateError, Peer, Process
from peers.protocol import Settings

PEERS = [
    *(
        Peer(f"keras_slayer, {name}", "recurrent_keras_slayer", variant)
        for name, variant in (
            ("ALIF", "alif"),
            ("CUBA", "cuba"),
            ("SRM", "srm"),
            ("LoihiCUBA", "loihi"),
            ("ResonateAndFire", "rf"),
        )
    ),
    Peer("Keras RNN cell", "recurrent_keras_rnn", "graph"),
    Peer("Keras RNN cell, XLA", "recurrent_keras_rnn", "xla"),
    Peer("snnTorch RLeaky", "recurrent_snntorch", "leaky", LAVA),
    Peer("snnTorch RLeaky, compiled", "recurrent_snntorch", "leaky compiled", LAVA),
    Peer("snnTorch RSynaptic, compiled", "recurrent_snntorch", "synaptic compiled", LAVA),
]


def parse_arguments() -> argparse.Namespace:
    parser = common.parser(__doc__, repeats=9)
    common.add_output(parser)
    parser.add_argument("--candidates", nargs="+", default=[""], help="names contain one of these")
    parser.add_argument("--environments", type=pathlib.Path, default=pathlib.Path(".bench"))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--density", type=float, default=0.03)
    parser.add_argument("--memory", type=float, default=0, help="GiB that a candidate may take")
    parser.add_argument("--patience", type=float, default=400, help="seconds to wait for a step")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    common.print_machine(arguments.threads)
    results, failures = run(arguments)
    if not results:
        raise SystemExit("None of the candidates ran.")
    table = common.results_table(
        f"Recurrent network 700-256r-20: batch {arguments.batch}, T = {arguments.steps}, "
        f"density {arguments.density:.1%}",
        results,
        {
            "processor": lambda result: f"{1e3 * result.facts['processor']:.1f}",
            "rates": lambda result: " ".join(f"{rate:.3f}" for rate in result.facts["rates"]),
        },
    )
    table.print()
    for name, why in failures.items():
        print(f"{name} did not run: {why}")
    common.save(
        arguments.output,
        "recurrent",
        arguments.threads,
        [table],
        medians={result.name: result.median for result in results},
    )


def run(arguments):
    """(results, why the others have none)"""
    settings = Settings(
        "recurrent",
        "",
        arguments.batch,
        arguments.steps,
        arguments.density,
        arguments.threads,
        arguments.memory,
    )
    chosen = [p for p in PEERS if any(text in p.name for text in arguments.candidates)]
    running, failures, results = [], {}, []
    arguments.output.mkdir(parents=True, exist_ok=True)
    with open(arguments.output / "recurrent.log", "w") as log, contextlib.ExitStack() as stack:
        for peer in chosen:
            own = Settings(**{**vars(settings), "variant": peer.variant})
            process = Process(peer, own, arguments.environments, log)
            stack.callback(process.end)
            try:
                ready = process.receive(arguments.patience)["ready"]
            except CandidateError as error:
                failures[peer.name] = str(error)
                continue
            print(f"{peer.name}: ready after {ready:.0f} s", flush=True)
            running.append(process)
        for _ in range(arguments.repeats):
            for process in running:
                time.sleep(PAUSE_SECONDS)
                process.time(arguments.patience)
        for process in running:
            try:
                results.append(process.finish(arguments.patience))
            except (CandidateError, RuntimeError) as error:
                failures[process.peer.name] = str(error)
    return results, failures


if __name__ == "__main__":
    main()
