"""Where the time of a step of `model.fit` goes: TensorFlow's profiler, as a table and a trace.

    python benchmarks/trace_step.py w1
    tensorboard --logdir out/trace     # with tensorboard-plugin-profile: the same on a time line

The ops of this package, those of the optimiser, other ops, and what is left: Keras' loop and
TensorFlow's executor. Ops that run side by side are counted each, so that little or nothing
may be left. The profiler makes the step a little slower: the untraced one is timed too.
"""

import collections
import dataclasses
import pathlib
import time

import common
import keras
import tensorflow as tf
import training_step
from tensorflow.tsl.profiler.protobuf import xplane_pb2

import keras_slayer as ks

STEPS = 30
OURS, OPTIMISER, OTHER = "keras_slayer's ops", "the optimiser's ops", "other TensorFlow ops"


class Clock(keras.callbacks.Callback):
    """Seconds of each step, the first ones (tracing, warming up) left out."""

    def __init__(self, skip):
        super().__init__()
        self.skip, self.starts = skip, []

    def on_train_batch_begin(self, batch, logs=None):
        self.starts.append(time.perf_counter())

    @property
    def seconds(self):
        pairs = list(zip(self.starts, self.starts[1:], strict=False))[self.skip :]
        return [after - before for before, after in pairs]


@dataclasses.dataclass
class Op:
    """One node of the graph over all traced steps."""

    group: str
    milliseconds: float = 0.0


def op_name(event: str) -> tuple[str, str] | None:
    """(node, kind) of an op's event, "node:kind".

    None of other events: Python's "$file:line", "Class::method".
    """
    node, _, kind = event.rpartition(":")
    is_op = node and (kind[:1].isalpha() or kind[:1] == "_") and node[0] != "$" and node[-1] != ":"
    return (node.removeprefix("StatefulPartitionedCall/"), kind) if is_op else None


def group_of(node: str, kind: str) -> str:
    if kind.startswith("KerasSlayer>"):
        return OURS
    return OPTIMISER if node.startswith(("adam/", "scaled_adam/")) else OTHER


def ops_of(folder: pathlib.Path) -> dict[tuple[str, str], Op]:
    """(node, kind) -> time, from the newest trace."""
    path = max(folder.rglob("*.xplane.pb"), key=lambda p: p.stat().st_mtime)
    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    found = {}
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = op_name(plane.event_metadata[event.metadata_id].name)
                if name is None:
                    continue
                op = found.setdefault(name, Op(group_of(*name)))
                op.milliseconds += event.duration_ps * 1e-9
    return found


def short(node: str) -> str:
    """The layer or scope that the node belongs to."""
    parts = [p for p in node.split("/") if p not in ("cond", "else", "then") and p[0] != "_"]
    return "/".join(parts[:-1][-2:]) or "gradient"


def trace(model, batch, folder):
    """(seconds per step untraced, seconds per step traced, ops)"""
    repeated = tf.data.Dataset.from_tensors(batch).repeat(STEPS)
    untraced, traced = Clock(skip=5), Clock(skip=0)
    model.fit(repeated, shuffle=False, verbose=0, callbacks=[untraced])
    with tf.profiler.experimental.Profile(str(folder)):
        model.fit(repeated, shuffle=False, verbose=0, callbacks=[traced])
    return untraced.seconds, traced.seconds, ops_of(folder)


def main():
    parser = common.parser(__doc__, repeats=None)
    common.add_output(parser)
    parser.add_argument("workload", nargs="?", default="w1", choices=list(training_step.WORKLOADS))
    parser.add_argument("--neuron", choices=["srm", "cuba", "loihi"], default="srm")
    parser.add_argument("--surrogate", choices=["exponential", "triangle"], default="exponential")
    parser.add_argument("--keras-adam", action="store_true", help="instead of ScaledAdam")
    parser.add_argument("--log-dir", type=pathlib.Path, default=pathlib.Path("out/trace"))
    parser.add_argument("--ops", type=int, default=16, help="rows of single ops (%(default)s)")
    arguments = parser.parse_args()
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)
    workload = training_step.WORKLOADS[arguments.workload]
    shape = (workload.batch, workload.steps)
    model, *batch = training_step.build(
        workload,
        shape,
        workload.density,
        arguments.neuron,
        arguments.surrogate,
        keras.optimizers.Adam if arguments.keras_adam else ks.ScaledAdam,
    )
    untraced, traced, ops = trace(model, tuple(batch), arguments.log_dir)

    totals = collections.Counter()
    for op in ops.values():
        totals[op.group] += op.milliseconds / STEPS
    step = 1e3 * sum(traced) / len(traced)
    rows = [(group, f"{totals[group]:.2f}") for group in (OURS, OPTIMISER, OTHER)]
    rows += [
        ("left: Keras, tf.function, executor", f"{max(0.0, step - sum(totals.values())):.2f}"),
        ("the traced step", f"{step:.2f}"),
        ("the step without tracing (median)", f"{1e3 * sorted(untraced)[len(untraced) // 2]:.2f}"),
    ]
    title = f"{workload.title}, {arguments.neuron}, {arguments.surrogate}"
    summary = common.Table(f"{title}: a step of fit", ("a step of fit", "ms"), rows)
    largest = sorted(ops.items(), key=lambda item: -item[1].milliseconds)[: arguments.ops]
    single = common.Table(
        f"{title}: the longest ops",
        ("op", "ms", "in", "of"),
        [
            (
                kind.removeprefix("KerasSlayer>"),
                f"{op.milliseconds / STEPS:.2f}",
                short(node),
                op.group,
            )
            for (node, kind), op in largest
        ],
    )
    for table in (summary, single):
        table.print()
    common.save(
        arguments.output, f"trace-{arguments.workload}", arguments.threads, [summary, single]
    )
    print(f"trace: tensorboard --logdir {arguments.log_dir}")


if __name__ == "__main__":
    main()
