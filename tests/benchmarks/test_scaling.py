"""benchmarks/scaling.py: the model of many machines, against figures worked out by hand."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).parents[2] / "benchmarks"))
import scaling

# 8 Mb/s is a megabyte a second.
SLOW = scaling.Network("slow", bits_per_second=8e6, latency=0.01)


def test_a_ring_sends_each_byte_twice_but_for_ones_own_part():
    """Two machines: each sends half of it, twice; and each sum takes two messages."""
    assert scaling.communication(1, 10**6, SLOW) == 0.0
    assert scaling.communication(2, 10**6, SLOW, calls=0) == pytest.approx(1.0)
    assert scaling.communication(2, 10**6, SLOW, calls=3) == pytest.approx(1.0 + 3 * 2 * 0.01)
    assert scaling.communication(4, 10**6, SLOW, calls=1) == pytest.approx(1.5 + 6 * 0.01)
    # Many machines: twice the bytes, and messages that grow with their number.
    many = scaling.communication(256, 10**6, SLOW, calls=1)
    assert many == pytest.approx(2 * 255 / 256 + 510 * 0.01)


def test_efficiency_is_what_computing_has_of_a_step():
    assert scaling.efficiency(1, 0.5, 10**6, SLOW) == 1.0
    calls = scaling.CALLS
    step = 0.5 + 1.0 + calls * 0.02
    assert scaling.efficiency(2, 0.5, 10**6, SLOW) == pytest.approx(0.5 / step)
    better = scaling.efficiency(2, 5.0, 10**6, SLOW)
    assert better > scaling.efficiency(2, 0.5, 10**6, SLOW)
