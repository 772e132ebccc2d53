"""Parameters of neurons that are learned: how a weight of a layer changes them."""

from __future__ import annotations

import collections.abc
import dataclasses
import math

import keras
import tensorflow as tf

FACTOR = "factor"
"""A positive number: parameter = start exp(w)."""
TIME_CONSTANT = "time constant"
"""A fraction lost per step whose time constant is start exp(w): 1 - (1 - start)^exp(-w)."""


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class Learned:
    """How a layer learns a parameter of its neurons: ``learn={name: Learned()}``.

    The weight w that is trained has the parameter's name and no unit. It scales the value that the
    neuron gives::

        parameter = start exp(w)                     thresholds, time constants, scales
        decay     = 1 - (1 - start)^exp(-w)          decays: their time constant times exp(w)

    So w = 0 is the neuron as it was given, a positive parameter stays positive and a decay between
    0 and 1, and a step of an optimiser changes each by a fraction of itself. Regularisers and
    constraints act on w: ``keras.regularizers.L2`` holds a parameter near its start.

    Args:
        initializer: of w. ``keras.initializers.RandomNormal(stddev=0.5)`` gives each channel
            constants of its own, log-normally distributed around the neuron's.
        regularizer, constraint: of w, as for the weights of Keras' layers.
        trainable: False keeps w as it was initialised: different constants that are not learned
            (Perez-Nieves et al., "Neural heterogeneity promotes robust learning", Nature
            Communications 12:5791, 2021).

    Raises:
        ValueError: what Keras does not know as initialiser, regulariser or constraint.
    """

    initializer: object = "zeros"
    regularizer: object = None
    constraint: object = None
    trainable: bool = True

    def __post_init__(self) -> None:
        self.weight_options()  # Keras' errors come now, not when a layer is built

    def weight_options(self) -> dict:
        """Arguments of ``add_weight``."""
        return {
            "initializer": keras.initializers.get(self.initializer),
            "regularizer": keras.regularizers.get(self.regularizer),
            "constraint": keras.constraints.get(self.constraint),
            "trainable": bool(self.trainable),
        }

    def get_config(self) -> dict:
        options = self.weight_options()
        return {
            "initializer": keras.initializers.serialize(options["initializer"]),
            "regularizer": keras.regularizers.serialize(options["regularizer"]),
            "constraint": keras.constraints.serialize(options["constraint"]),
            "trainable": options["trainable"],
        }

    @classmethod
    def from_config(cls, config: dict) -> Learned:
        return cls(**config)


def get(learn, neuron) -> dict[str, Learned]:
    """The argument ``learn`` of a layer, checked: names of parameters of ``neuron``.

    Args:
        learn: None, a name, some names, or a mapping from names to ``Learned``.
        neuron: a ``Neuron``.

    Raises:
        ValueError: what the neuron has not or cannot learn.
    """
    if learn is None:
        return {}
    if isinstance(learn, str):
        learn = (learn,)
    if not isinstance(learn, collections.abc.Iterable):
        raise ValueError(
            "learn must be names of parameters, or a mapping from names to Learned(...). "
            f"Received: learn={learn!r}"
        )
    if not isinstance(learn, collections.abc.Mapping):
        learn = dict.fromkeys(learn, Learned())
    found = {name: _learned(how, name) for name, how in learn.items()}
    allowed, kind = ", ".join(map(repr, neuron.learnable)), type(neuron).__name__
    for name in found:
        if name not in neuron.learnable:
            what = f"one of {allowed} (of {kind})" if allowed else f"None: {kind} can learn none"
            raise ValueError(f"learn must be {what}. Received: learn={name!r}")
        _check_start(neuron, name)
    if found and neuron.kernels is not None:
        raise ValueError(
            "neurons with truncated kernels cannot learn their parameters: leave kernel_cutoff "
            f"out. Received: learn={list(found)}, neuron={neuron!r}"
        )
    return found


def _learned(how, name: str) -> Learned:
    if isinstance(how, dict):
        how = keras.saving.deserialize_keras_object(how)
    if not isinstance(how, Learned):
        raise ValueError(
            "learn must be names of parameters, or a mapping from names to Learned(...). "
            f"Received: learn={{{name!r}: {how!r}}}"
        )
    return how


def _check_start(neuron, name: str) -> None:
    """A factor of nothing stays nothing."""
    start = getattr(neuron, name)
    share = start / neuron.unit_of(name)
    decay = neuron.learnable[name] == TIME_CONSTANT
    if not 0 < share < (1 if decay else math.inf):
        within = "between 0 and 1, as a fraction," if decay else "above 0"
        raise ValueError(
            f"{name} must start {within} to be learned: its scale is what changes. "
            f"Received: {name}={start!r}, learn={name!r}"
        )


def changed(start: float, kind: str, w) -> tf.Tensor:
    """A parameter, float64, whose scale the weight ``w`` changes."""
    w = tf.cast(w, tf.float64)
    if kind == FACTOR:
        return start * tf.exp(w)
    return -tf.math.expm1(math.log1p(-start) * tf.exp(-w))


def rounded(x, low: float, high: float) -> tf.Tensor:
    """The nearest integer within [low, high]; its derivative is 1 (straight-through)."""
    # Not x + (rounded - x): where x is far beyond the range, that is off by its last bits.
    return tf.stop_gradient(tf.clip_by_value(tf.round(x), low, high)) + (x - tf.stop_gradient(x))
