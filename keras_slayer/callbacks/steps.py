"""The time step of a callback's data against that of the model's neurons."""

from __future__ import annotations

import keras


def step_of(data) -> float | None:
    """ms per step of what ``spike_pipeline`` returned; None where it is not known."""
    from keras_slayer.events import time_step  # late: events are not imported with the package

    return time_step(data)


def check_step(model: keras.Model, dt: float | None) -> None:
    """Warns where layers of ``model`` have another ``dt``."""
    from keras_slayer.events import check_time_step

    if dt is not None:
        check_time_step(model, dt)
