import sys

import pytest

import keras_slayer.ops


@pytest.fixture(autouse=True)
def events_for_few_units(monkeypatch):
    """Small products go the event-driven way too, which is what these tests are about."""
    # By its name in sys.modules: the package's attribute of that name is the function.
    module = sys.modules[f"{keras_slayer.ops.__name__}.spike_matmul"]
    monkeypatch.setattr(module, "MIN_UNITS", 0)
    monkeypatch.setattr(module, "max_density", lambda units: 0.1)
