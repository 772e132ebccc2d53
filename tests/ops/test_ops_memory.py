"""Large outputs: memory that is used again, never while something needs it, and given back."""

import concurrent.futures
import itertools
import pathlib
import platform
import textwrap

import cases
import numpy as np
import processes
import pytest
import tensorflow as tf

from keras_slayer import ops

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="TensorFlow's own memory")
SMAPS = pathlib.Path("/proc/self/smaps")


def series(steps, seed=0):
    """Its filtered form is large enough (1 MiB) to be kept."""
    return tf.random.stateless_normal((4, steps, 1000), [seed, 1])


def output(x):
    with cases.backend("native"):
        return ops.exponential_filter(x, decay=0.8)


def place(tensor):
    """(first, past the last) address of a tensor's numbers."""
    first = np.asarray(memoryview(tensor)).__array_interface__["data"][0]
    return first, first + tensor.dtype.size * int(tf.size(tensor))


def test_the_next_output_lies_where_the_last_one_was():
    x = series(100)
    places = {place(output(x)) for _ in range(5)}
    assert len(places) == 1


def test_an_output_in_use_is_left_alone():
    kept = [output(series(100, seed)) for seed in range(4)]
    copies = [y.numpy().copy() for y in kept]
    del kept[1], copies[1]  # leaves a gap, which the next ones may use
    kept += [output(series(steps, seed=steps)) for steps in (90, 300, 70)]
    copies += [y.numpy().copy() for y in kept[3:]]
    output(series(500))
    for y, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(y, copy)
    places = sorted(place(y) for y in kept)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(places))


def test_many_threads():
    """Each keeps some outputs of sizes of its own and looks at them again."""

    def work(seed):
        random, kept = np.random.default_rng(seed), []
        for _ in range(30):
            y = output(series(int(random.integers(70, 200)), seed))
            kept.append((y, y.numpy().copy()))
            if len(kept) > 3:
                kept.pop(int(random.integers(4)))
            for y, copy in kept:
                np.testing.assert_array_equal(y, copy)
        return len(kept)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(12))) == [3] * 12


def in_process_of_its_own(program: str) -> str:
    head = "import tensorflow as tf\nfrom keras_slayer import ops\n"
    head += "x = tf.ones((4, 500, 5000))\n"
    cases.native_ops()
    return processes.output_of(processes.start("-c", head + textwrap.dedent(program)))


@pytest.mark.skipif(
    not SMAPS.exists() or "LazyFree" not in SMAPS.read_text(), reason="needs LazyFree in smaps"
)
def test_the_kernel_may_take_back_what_is_not_in_use():
    program = """
        def reclaimable():
            lines = open("/proc/self/smaps").read().splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith("LazyFree"))
        y = ops.exponential_filter(x, decay=0.5)
        print(reclaimable())
        del y
        print(reclaimable())
    """
    used, unused = map(int, in_process_of_its_own(program).split())
    assert unused - used > 0.9 * 4 * 4 * 500 * 5000 / 1024


def test_where_address_space_is_limited():
    program = """
        import resource
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, used + 2**27))
        y = ops.exponential_filter(x, decay=0.5)
        print(float(y[0, -1, 0]), float(y[3, -1, -1]))
    """
    assert in_process_of_its_own(program).split() == ["2.0", "2.0"]
