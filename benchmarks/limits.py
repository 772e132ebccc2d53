"""What the machine can do at best: memory copy and dense float32 products, with all threads.

    python benchmarks/limits.py

against_peers.py measures the same in its own run, and gives the steps in multiples of
the time that each limit alone would allow.
"""

import concurrent.futures
import dataclasses
import time

import common
import numpy as np
import tensorflow as tf

# Past every cache: 256 MiB for each thread.
COPY_FLOATS = 2**26
PRODUCT_SIZE = 4096


@dataclasses.dataclass(frozen=True)
class Limits:
    """Best of several tries; bytes read and written both count."""

    bytes_per_second: float
    flops_per_second: float


def copy_bandwidth(threads: int, tries: int) -> float:
    sources = [np.ones(COPY_FLOATS, np.float32) for _ in range(threads)]
    targets = [np.zeros_like(source) for source in sources]
    seconds = []
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for _ in range(tries):
            start = time.perf_counter()
            list(pool.map(np.copyto, targets, sources))  # releases the interpreter's lock
            seconds.append(time.perf_counter() - start)
    return 2 * threads * sources[0].nbytes / min(seconds)


def product_rate(tries: int) -> float:
    """With TensorFlow's threads, see `common.set_threads`."""
    a = tf.random.stateless_normal((PRODUCT_SIZE, PRODUCT_SIZE), [1, 0])
    seconds = []
    for _ in range(tries):
        start = time.perf_counter()
        tf.matmul(a, a).numpy()
        seconds.append(time.perf_counter() - start)
    return 2 * PRODUCT_SIZE**3 / min(seconds)


def measure(threads: int, tries: int = 5) -> Limits:
    return Limits(copy_bandwidth(threads, tries), product_rate(tries))


def table(limits: Limits) -> common.Table:
    rows = [
        ("memory copy, GB/s (read + written)", f"{1e-9 * limits.bytes_per_second:.1f}"),
        ("dense float32 product, GFLOP/s", f"{1e-9 * limits.flops_per_second:.0f}"),
    ]
    return common.Table("Limits of the machine", ("", "best"), rows)


def main():
    parser = common.parser(__doc__, repeats=10)
    common.add_output(parser)
    arguments = parser.parse_args()
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)
    found = table(measure(arguments.threads, arguments.repeats))
    found.print()
    common.save(arguments.output, "limits", arguments.threads, [found])


if __name__ == "__main__":
    main()
