"""Neurons of users, in Python alone: their checks, and what follows from ``step``."""

from __future__ import annotations

import copy
import dataclasses
import numbers
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf


def check(neuron) -> None:
    """ValueError or TypeError if the class of ``neuron`` lacks something, or has it wrong."""
    kind = type(neuron)
    states = getattr(neuron, "states", None)
    if not isinstance(states, int) or isinstance(states, bool) or states < 1:
        raise ValueError(
            f"{kind.__name__}.states must be how many tensors `step` carries from step to step, an "
            f"integer from 1. Received: states={states!r}"
        )
    fields = {field.name for field in dataclasses.fields(neuron)}
    forgotten = [
        name
        for name, hint in vars(kind).get("__annotations__", {}).items()
        if name not in fields and "ClassVar" not in str(hint)
    ]
    if forgotten:
        raise TypeError(
            f"{kind.__name__} has parameters and must be decorated with "
            f"@dataclasses.dataclass(frozen=True). Received: {', '.join(forgotten)}"
        )
    threshold = neuron.firing_threshold
    if isinstance(threshold, numbers.Real):
        if not threshold > 0:
            raise ValueError(
                f"the firing threshold of {kind.__name__} must be above 0: the states are 0 at "
                "rest, so measure potentials from there. "
                f"Received: firing_threshold={threshold!r}"
            )
    elif not hasattr(threshold, "dtype"):  # a tensor or an array, one for each neuron
        raise TypeError(
            f"{kind.__name__}.firing_threshold must be a number. "
            f"Received: firing_threshold={threshold!r}"
        )


def config_of(neuron) -> dict:
    """The fields of ``neuron``, from which its class can make it anew."""
    maker = next(kind for kind in type(neuron).__mro__ if "__init__" in vars(kind))
    if "__dataclass_fields__" not in vars(maker):
        raise NotImplementedError(
            f"{maker.__name__} has an __init__ of its own, so that it cannot be saved without a "
            "get_config() that returns its arguments. As a frozen dataclass it needs neither."
        )
    return dataclasses.asdict(neuron)


def fields_of(kind: type, config: dict) -> dict:
    """The fields of a saved neuron as they were: Keras writes tuples as lists, arrays as dicts."""
    tuples = {
        field.name
        for field in dataclasses.fields(kind)
        if isinstance(field.default, tuple)
        or str(field.type).startswith(("tuple", "<class 'tuple"))
    }
    fields = {
        name: keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value
        for name, value in config.items()
    }
    return {
        name: tuple(value) if name in tuples and isinstance(value, list) else value
        for name, value in fields.items()
    }


def step_of(neuron) -> Callable:
    """``neuron.step`` with its result checked, and with the gradient that the neuron asks for.

    For ``"exodus"`` that is TensorFlow's. For ``"slayer"`` the spikes are constants within the
    step, and the spikes that come out have their gradient all the same.
    """
    check(neuron)  # its own __post_init__ may not have
    if neuron.surrogate_gradient.exodus:
        return lambda state, z: _checked(neuron, neuron.step(state, z), z)
    fired = []

    def spike(membrane):
        spikes = neuron.spike(membrane)
        fired.append((tf.stop_gradient(spikes), spikes))
        return fired[-1][0]

    held = _with_spike(neuron, spike)

    def step(state, z):
        fired.clear()
        state, spikes, membrane = _checked(neuron, held.step(state, z), z)
        for constant, differentiable in fired:
            if spikes is constant:
                return state, differentiable, membrane
        raise ValueError(
            f"{type(neuron).__name__}.step must return the spikes that self.spike(...) gave, as "
            'they are: for gradient="slayer", their gradient is that of self.spike. To change '
            'spikes, change what goes into self.spike, or build the neuron with gradient="exodus". '
            f"Received: {spikes!r}"
        )

    return step


def never_firing(neuron):
    """The same neuron, whose ``spike`` gives none."""
    other = _with_spike(neuron, tf.zeros_like)
    if getattr(other, "threshold", 1.0) is None:  # not known yet, and not reached
        object.__setattr__(other, "threshold", 1.0)
    return other


def _with_spike(neuron, spike):
    other = copy.copy(neuron)
    object.__setattr__(other, "spike", spike)  # the class is frozen
    return other


def measured_response(neuron, steps: int) -> np.ndarray:
    """Membrane potential after an input of 1 at step 0, less that without input; no spikes."""
    dtype = tf.as_dtype(keras.config.floatx())
    dtype = tf.float32 if dtype.size < 4 else dtype
    silent = never_firing(neuron)
    series = np.zeros((steps, 2, 1))
    series[:1, 1] = 1
    with tf.init_scope():  # numbers, wherever a layer is built
        state = [tf.zeros([2, 1], dtype)] * neuron.states
        membrane = []
        for z in series:
            z = tf.constant(z, dtype)
            state, _, u = _checked(neuron, silent.step(state, z), z, _MEASURED)
            membrane.append(np.ravel(u).astype("float64"))
    without, response = np.reshape(membrane, (steps, 2)).T
    response = response - without
    if not np.isfinite(response).all():
        raise ValueError(
            f"the response of {type(neuron).__name__} to an input of 1 does not stay finite when "
            "it never fires: define `filters` or `response_kernel(steps)`, or keep its step "
            f"finite. Received: {neuron!r}"
        )
    return response


_MEASURED = (
    " (its response is measured on one neuron: if its parameters are one for each neuron, define "
    "response_kernel(steps), or give the layer its initializers)"
)


def _checked(neuron, result, z, hint: str = ""):
    """``result`` of a step for input ``z`` as (list of states, spikes, membrane potential)."""
    what = f"{type(neuron).__name__}.step"
    wanted = "(state, spikes, membrane potential)"
    if not isinstance(result, tuple | list) or len(result) != 3:
        count = f" of {len(result)}" if isinstance(result, tuple | list) else ""
        raise ValueError(f"{what} must return {wanted}. Received: a {type(result).__name__}{count}")
    state, spikes, membrane = result
    if not isinstance(state, tuple | list) or len(state) != neuron.states:
        count = f" of {len(state)}" if isinstance(state, tuple | list) else ""
        raise ValueError(
            f"the state that {what} returns must be a tuple of {neuron.states} tensors, as "
            f"`states` says. Received: a {type(state).__name__}{count}"
        )
    named = {f"number {i} of the state": part for i, part in enumerate(state)}
    for name, part in {**named, "spikes": spikes, "membrane potential": membrane}.items():
        is_tensor = tf.is_tensor(part)
        if not is_tensor or part.dtype != z.dtype or not part.shape.is_compatible_with(z.shape):
            received = f"{part.dtype.name} of shape {part.shape}" if is_tensor else repr(part)
            raise ValueError(
                f"what {what} returns must be tensors like its input, {z.dtype.name} of shape "
                f"{z.shape}{hint}. Received: {name}={received}"
            )
    return list(state), spikes, membrane
