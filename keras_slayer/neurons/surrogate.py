"""The surrogate gradient of a spike: one object, with the defaults of the whole package."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer import checks


@dataclasses.dataclass(frozen=True)
class Surrogate:
    """The surrogate rho(u), and the gradient that uses it.

    With x = |u - threshold| / (tau threshold)::

        rho(u) = scale / (tau threshold) exp(-x)              "exponential" (SLAYER's)
        rho(u) = scale / (tau threshold) max(0, 1 - x / 2)    "triangle"

    Both have the same peak and area. The triangle is zero more than 2 tau thresholds away from
    threshold, so that gradients need only the neurons and steps near threshold (Perez-Nieves &
    Goodman, NeurIPS 2021).

    Args:
        tau: width, in thresholds.
        scale: factor.
        shape: ``"exponential"`` or ``"triangle"``.
        gradient: ``"slayer"`` (Shrestha & Orchard 2018): a spike has no effect on later steps of
            its own neuron. ``"exodus"`` (Bauer et al. 2023): the exact gradient under the
            surrogate, including that effect.

    Raises:
        ValueError: a value out of its range.
    """

    tau: float = 0.7
    scale: float = 1.0
    shape: str = "exponential"
    gradient: str = "slayer"

    def __post_init__(self):
        checks.number(self.tau, "surrogate_tau", open_low=True)
        checks.number(self.scale, "surrogate_scale")
        checks.surrogate(self.shape)
        checks.gradient(self.gradient)

    @property
    def exodus(self) -> bool:
        return self.gradient == "exodus"

    def parameters(self, threshold) -> dict:
        """Width and height of rho for this threshold, as the native ops read them."""
        width = self.tau * threshold
        return {"surrogate_width": width, "surrogate_height": self.scale / width}

    @property
    def options(self) -> dict:
        """Attributes of the native ops that compute a gradient."""
        return {"exodus": self.exodus, "surrogate": self.shape}

    def density(self, u, threshold) -> tf.Tensor:
        """rho(u), in plain TensorFlow."""
        width, height = self.parameters(threshold).values()
        distance = tf.abs(u - threshold)
        if self.shape == "triangle":
            return height * tf.maximum(1 - distance / (2 * width), 0)
        return height * tf.exp(-distance / width)
