import pytest

from keras_slayer.ops import select


@pytest.fixture(autouse=True)
def events_for_few_units(monkeypatch):
    """Small products go the event-driven way too, which is what these tests are about."""
    monkeypatch.setattr(select, "MIN_UNITS", 0)
    monkeypatch.setattr(select, "matmul_max_density", lambda units: 0.1)
