import pytest

from keras_slayer.ops import selection


@pytest.fixture(autouse=True)
def events_for_few_units(monkeypatch):
    """Small products go the event-driven way too, which is what these tests are about."""
    monkeypatch.setattr(selection, "MIN_UNITS", 0)
    monkeypatch.setattr(selection, "matmul_max_density", lambda units: 0.1)
