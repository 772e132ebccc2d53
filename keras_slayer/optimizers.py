"""Optimisers for weights of different kinds: delays in ms, kernels in fractions of a threshold."""

from __future__ import annotations

import re

import keras
import tensorflow as tf

from keras_slayer import checks

_OF_REPLICA = re.compile(r"/replica_\d+$")  # what tf.distribute adds to a variable's name


@keras.saving.register_keras_serializable(package="keras_slayer")
class ScaledAdam(keras.optimizers.Adam):
    """Adam in one pass over memory, with factors on the learning rate of weights by name.

    Keras' Adam is a dozen operations, each of which reads and writes all weights; this is one
    (TensorFlow's ``ResourceApplyAdam``), with the same result up to rounding. Under a distribution
    strategy, with ``amsgrad`` and for sparse gradients, the step is Keras' own.

    A step of Adam is about as long as the learning rate, whatever the gradient. Kernels want steps
    of 0.001 to 0.01; a delay in ms that moves so little per step would take thousands of them to
    cross a few milliseconds. With ``factors={"delay": 1000.0}`` and a learning rate of 0.001 it
    moves by about 1 ms.

    Args:
        learning_rate: number or schedule, of the weights that ``factors`` does not name.
        factors: weight name (the last part of its path: ``"delay"``, ``"kernel"``) to factor,
            positive; the others have 1.
        **kwargs: as for ``keras.optimizers.Adam``.

    Raises:
        ValueError: ``factors`` is no dict of names to positive numbers; at build, a name that no
            trainable weight has.

    Example:

    >>> model.compile(ScaledAdam(1e-3, factors={"delay": 1000.0}), loss=keras_slayer.SpikeMaxLoss())
    """

    def __init__(
        self, learning_rate=0.001, *, factors: dict[str, float] | None = None, **kwargs
    ) -> None:
        kwargs.setdefault("name", "scaled_adam")
        super().__init__(learning_rate, **kwargs)
        factors = {} if factors is None else factors
        if not isinstance(factors, dict) or not all(isinstance(name, str) for name in factors):
            raise ValueError(
                "factors must be a dict of weight names to positive numbers. "
                f"Received: factors={factors!r}"
            )
        self.factors = {
            name: checks.number(factor, f"factors[{name!r}]", open_low=True)
            for name, factor in factors.items()
        }

    def build(self, variables) -> None:
        there = {_weight_name(variable) for variable in variables}
        absent = sorted(set(self.factors) - there)
        if absent:
            raise ValueError(
                f"factors names weights that the model does not train: {', '.join(absent)}. It has "
                f"{', '.join(sorted(there))}. Received: factors={self.factors}"
            )
        super().build(variables)

    def factor(self, variable) -> float:
        """Factor on the learning rate of ``variable``."""
        return self.factors.get(_weight_name(variable), 1.0)

    def update_step(self, gradient, variable, learning_rate) -> None:
        learning_rate = learning_rate * self.factor(variable)
        dense = not isinstance(gradient, tf.IndexedSlices)
        if self.amsgrad or not dense or tf.distribute.has_strategy():
            super().update_step(gradient, variable, learning_rate)
            return
        dtype = variable.dtype
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = (tf.cast(beta, dtype) for beta in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=_resource(variable),
            m=_resource(self._momentums[index]),
            v=_resource(self._velocities[index]),
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "factors": self.factors}


def _resource(variable):
    """Handle of a TensorFlow variable, or of the one that a Keras variable holds."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


def _weight_name(variable) -> str:
    """Last part of the path of a Keras variable, or of the TensorFlow variable that it holds."""
    path = getattr(variable, "path", None) or variable.name.split(":")[0]
    return _OF_REPLICA.sub("", path).rsplit("/", 1)[-1]
