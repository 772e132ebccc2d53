import sys

import pytest

import keras_slayer.ops


@pytest.fixture(autouse=True)
def events_for_few_units(monkeypatch):
    """Small products go the event-driven way too, which is what these tests are about."""
    # By its name in sys.modules: the package's attribute of that name is the function.
    monkeypatch.setattr(sys.modules[f"{keras_slayer.ops.__name__}.spike_matmul"], "MIN_UNITS", 0)
