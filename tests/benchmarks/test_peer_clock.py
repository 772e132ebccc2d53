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
    def settings(**options):
        return protocol.Settings("w1", "srm", 8, 300, 0.01, 1, 6.0, **options)

    def waits():
        time.sleep(0.02)

    assert protocol._mean_step(waits, settings().clock)[0] >= 0.02
    assert protocol._mean_step(waits, settings(processor_time=True).clock)[0] < 0.01
