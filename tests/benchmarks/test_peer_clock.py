"""How a training step of a candidate is timed, beside peers."""

import pathlib
import sys
import time

import pytest

BENCHMARKS = pathlib.Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def protocol(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    for name in ("peers", "peers.networks", "peers.protocol"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import peers.protocol

    return peers.protocol


def test_processor_time_does_not_count_waiting(protocol):
    passed, used = protocol._mean_step(lambda: time.sleep(0.02))
    assert passed >= 0.02 and used < 0.01
