"""Weight initialisation on the scale of the firing threshold."""

from __future__ import annotations

import math
import warnings

import keras
import numpy as np

from keras_slayer import checks, neurons
from keras_slayer.quantization import WEIGHT_MIN, weight_step


def _rounded_deviation(sigma: float, step: float) -> float:
    """Standard deviation of N(0, sigma) rounded to multiples of step, clipped to the range."""
    levels = round(-WEIGHT_MIN / step)
    edges = (np.arange(-levels, levels) + 0.5) * step
    below = np.array([0.5 * (1 + math.erf(edge / (sigma * math.sqrt(2)))) for edge in edges])
    mass = np.diff(np.concatenate([[0.0], below, [1.0]]))
    values = np.append(np.arange(-levels, levels), levels - 1) * step
    return float(np.sqrt(mass @ values**2))


@keras.saving.register_keras_serializable(package="keras_slayer")
class FluctuationDriven(keras.initializers.Initializer):
    """Normal weights that let the membrane fluctuate at a given distance from threshold.

    With independent input spikes at ``rate`` per step, weights N(m, sigma^2) and the neuron's
    response h, the membrane potential has the mean mu = fan_in rate m sum_k h[k] and, from the
    deviation of the weights, the variance fan_in rate sigma^2 sum_k h[k]^2. The weights are
    chosen so that mu is ``mean`` thresholds and the threshold lies ``xi`` standard deviations
    above it (Rossbroich, Gygax & Zenke 2022)::

        m = mean threshold / (fan_in rate sum_k h[k])
        sigma = (1 - mean) threshold / (xi sqrt(fan_in rate sum_k h[k]^2))

    A negative mean is inhibition that grows with the rate of the layer before. It keeps deep
    networks from filling every step with spikes: more spikes in make the membrane fluctuate more,
    and lower its mean. By default layers start quiet, and with sparser input than ``rate`` silent.
    Training makes them fire: the surrogate gradient reaches neurons at rest, and what is learned
    soon outweighs what was random. The callback ``SetFiringRates`` sets each layer's rate on your
    data before training, and ``FiringRateMonitor`` says which layers stay silent.

    Of a response that changes its sign (``ResonateAndFire``), the first sum is over abs(h[k]), as
    sum_k h[k] may be next to nothing. Its mean membrane potential is then nearer to rest.

    For a neuron with quantised weights the deviation holds after rounding; a
    threshold that the chip's weights cannot reach gets a warning.

    Args:
        neuron: the neuron that the weights feed (name or instance).
        rate: assumed spikes per input and step.
        xi: distance of the threshold from the mean, in standard deviations. Higher values start
            quieter.
        mean: mean membrane potential at that rate, in thresholds, -10 to 0.9.
        seed: integer, ``keras.random.SeedGenerator``, or None for the global random state.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        neuron: str | neurons.Neuron = "srm",
        rate: float = 0.05,
        xi: float = 2.5,
        seed: int | keras.random.SeedGenerator | None = None,
        mean: float = -0.25,
    ) -> None:
        self.neuron = neurons.get(neuron)
        self.rate = checks.number(rate, "rate", open_low=True, high=1.0)
        self.xi = checks.number(xi, "xi", open_low=True)
        self.mean = checks.number(mean, "mean", low=-10.0, high=0.9)
        # A saved generator comes back as its config.
        self.seed = keras.saving.deserialize_keras_object(seed) if isinstance(seed, dict) else seed
        # As in Keras' initializers, a given seed repeats its values in each call;
        # without one each call draws new values.
        self._source = keras.random.SeedGenerator() if seed is None else self.seed

    def mean_weight(self, fan_in: int) -> float:
        """Mean of the weights of a neuron with ``fan_in`` inputs."""
        drive = fan_in * self.rate * float(np.sum(np.abs(self.neuron.response_kernel())))
        return self.mean * self.neuron.firing_threshold / drive

    def deviation(self, fan_in: int) -> float:
        """Standard deviation of the weights of a neuron with ``fan_in`` inputs."""
        energy = float(np.sum(self.neuron.response_kernel() ** 2))
        distance = (1 - self.mean) * self.neuron.firing_threshold
        target = distance / (self.xi * math.sqrt(fan_in * self.rate * energy))
        if not isinstance(self.neuron, neurons.LoihiCUBA):
            return target
        # Rounding moves the deviation: find the one that ends on target.
        step, low, high = weight_step(self.neuron.weight_bits), 1e-3, 64.0
        for _ in range(50):
            middle = math.sqrt(low * high)
            if _rounded_deviation(middle, step) < target:
                low = middle
            else:
                high = middle
        reached = _rounded_deviation(middle, step)
        if reached < 0.9 * target:
            warnings.warn(
                f"The chip's weights end at 4: with fan_in={fan_in} they deviate by {reached:.2g} "
                f"where {target:.2g} is needed, so the layer may start silent. Give it a lower "
                f"threshold. Received: neuron={self.neuron!r}",
                UserWarning,
                stacklevel=2,
            )
        return middle

    def __call__(self, shape, dtype=None):
        fan_in = max(1, math.prod(shape[:-1]))
        mean, sigma = self.mean_weight(fan_in), self.deviation(fan_in)
        dtype = dtype or keras.config.floatx()
        return keras.random.normal(shape, mean, sigma, dtype=dtype, seed=self._source)

    def get_config(self) -> dict:
        return {
            "neuron": keras.saving.serialize_keras_object(self.neuron),
            "rate": self.rate,
            "xi": self.xi,
            "seed": keras.saving.serialize_keras_object(self.seed),
            "mean": self.mean,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{"mean": 0.0, **config})  # initializers saved before it was there
