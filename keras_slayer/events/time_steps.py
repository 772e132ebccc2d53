"""The length of a time step, which data and neurons must agree on."""

import math
import warnings

import keras
import tensorflow as tf


class TimeStepWarning(UserWarning):
    """Data and model disagree about the length of a time step; the message says what to change."""


def time_step(data) -> float | None:
    """Milliseconds per step of what `spike_pipeline` returned (its attribute `dt`).

    None where it is not known: for arrays and other data sets, and for what methods of a
    `tf.data.Dataset` (`take`, `map`, ...) make of a pipeline.
    """
    return getattr(data, "dt", None) if isinstance(data, tf.data.Dataset) else None


def check_time_step(model: keras.layers.Layer, data) -> list[str]:
    """Warns where layers of `model` have another `dt` than `data`.

    A neuron with `dt=1.0` on bins of 20 ms is computed with time constants that last 20 times too
    long. Nothing fails, the network only learns worse. A `CUBA` or `LoihiCUBA` whose two decays are
    given per step, and no `dt`, has a `dt` of None, and is not looked at.

    Args:
        model: a Keras model or layer; nested ones count too.
        data: what `spike_pipeline` returned, or milliseconds per step. Data whose step is not known
            (see `time_step`) are not checked.

    Returns:
        The names of the layers that disagree.

    Warns:
        TimeStepWarning: there are such layers.
    """
    dt = data if isinstance(data, int | float) else time_step(data)
    if dt is None:
        return []
    found = {name: own for name, own in _time_steps(model) if not math.isclose(own, dt)}
    if found:
        layers = ", ".join(f"{name} (dt={own:g})" for name, own in found.items())
        warnings.warn(
            f"The data have steps of {dt:g} ms, and these layers of another length: {layers}. "
            f"Their time constants in milliseconds do not hold. Give their neurons dt={dt:g}, for "
            f"example SRM(dt={dt:g}), or spike_pipeline the dt of the neurons. Where "
            f"decays are given, new decays belong to a new dt.",
            TimeStepWarning,
            stacklevel=2,
        )
    return list(found)


def _time_steps(model):
    """Yields `(name, dt)` of each layer that has one, at any depth."""
    seen, waiting = set(), [model]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list | tuple | set):
            waiting.extend(reversed(list(item)))
        elif isinstance(item, keras.layers.Layer):
            waiting.extend(reversed(vars(item).values()))
            for holder in (item, getattr(item, "neuron", None)):
                dt = getattr(holder, "dt", None)
                if isinstance(dt, int | float):
                    yield item.name, dt
                    break
