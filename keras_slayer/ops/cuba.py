"""Current-based leaky integrate-and-fire neuron, in float and in Loihi's integers."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops.neuron_spec import NeuronSpec, fire, surrogate_params

DECAY_ONE = 4096  # Loihi's decays are integers in units of 1 / 4096
WEIGHT_ONE = 64  # a float weight or threshold is the chip's integer / 64
MAX_THRESHOLD_MANTISSA = 131071


@tf.autograph.experimental.do_not_convert
def cuba(
    synaptic_input,
    *,
    threshold: float = 1.25,
    current_decay: float = 0.25,
    voltage_decay: float = 0.03,
    surrogate_tau: float = 1.0,
    surrogate_scale: float = 1.0,
    surrogate: str = "exponential",
    gradient: str = "slayer",
):
    """Spikes of CUBA neurons in floating point.

    ::

        i[t] = (1 - current_decay) i[t-1] + z[t]
        v[t] = (1 - voltage_decay) v[t-1] + i[t]
        s[t] = 1 and v[t] = 0 afterwards, where v[t] >= threshold

    Backwards, with rho the surrogate of ``srm`` at v before the reset::

        lambda_v[t] = rho(v[t]) ds[t] + (1 - voltage_decay) lambda_v[t+1] r[t]
        lambda_i[t] = (1 - current_decay) lambda_i[t+1] + lambda_v[t]
        dz[t] = lambda_i[t]

    with r = 1 for ``"slayer"`` and r[t] = 1 - s[t] - v[t] rho(v[t]), the path
    through the reset, for ``"exodus"``.

    Args:
        synaptic_input: z, tensor (batch, time, ...).
        threshold: positive.
        current_decay, voltage_decay: fraction lost per step, 0 to 1.
        surrogate_tau, surrogate_scale, surrogate, gradient: as for ``srm``.

    Returns:
        (spikes, voltage before reset), both like ``synaptic_input``; no
        gradient flows through the voltage.
    """
    spec = cuba_spec(
        threshold=threshold,
        current_decay=current_decay,
        voltage_decay=voltage_decay,
        surrogate_tau=surrogate_tau,
        surrogate_scale=surrogate_scale,
        surrogate=surrogate,
        gradient=gradient,
    )
    return fire(checks.series(synaptic_input, "synaptic_input"), spec)


def cuba_spec(
    *,
    threshold,
    current_decay,
    voltage_decay,
    surrogate_tau,
    surrogate_scale,
    surrogate,
    gradient,
) -> NeuronSpec:
    """The checked parameters of ``cuba``."""
    threshold = checks.number(threshold, "threshold", open_low=True)
    params = [
        *surrogate_params(threshold, surrogate_tau, surrogate_scale),
        checks.number(current_decay, "current_decay", high=1.0),
        checks.number(voltage_decay, "voltage_decay", high=1.0),
    ]
    exodus = checks.gradient(gradient) == "exodus"
    return NeuronSpec("cuba", tuple(params), exodus, checks.surrogate(surrogate))


@tf.autograph.experimental.do_not_convert
def loihi_cuba(
    synaptic_input,
    *,
    threshold_mantissa: int = 80,
    current_decay: int = 1024,
    voltage_decay: int = 128,
    surrogate_tau: float = 1.0,
    surrogate_scale: float = 1.0,
    surrogate: str = "exponential",
    gradient: str = "slayer",
):
    """Spikes of CUBA neurons in Loihi's integer arithmetic, bit for bit.

    With rsz(x, b) = sign(x) (|x| >> b) and z in units of 1 / 64 (rounded)::

        u[t] = rsz(u[t-1] (4096 - current_decay), 12) + (z[t-1] << 6)
               wrapped once to 24 bits
        v[t] = rsz(v[t-1] (4096 - voltage_decay), 12) + u[t]
               clipped to +-(2^23 - 1)
        s[t] = 1 and v[t] = 0 afterwards, where v[t] > threshold_mantissa << 6

    z[t-1]: a spike takes one step from layer to layer, so step t here is step t
    of the chip. Gradients are those of ``cuba`` with decays / 4096, through all
    rounding as if it were not there.

    Args:
        synaptic_input: z, tensor (batch, time, ...), finite: products of
            spikes and weights of (chip integer) / 64.
        threshold_mantissa: 0 to 131071; threshold * 64.
        current_decay, voltage_decay: 0 to 4096, in 1 / 4096 lost per step.
        surrogate_tau, surrogate_scale, surrogate, gradient: as for ``srm``.

    Returns:
        (spikes, voltage before reset in units of the threshold's float scale,
        integer / 4096), both like ``synaptic_input``.

    Raises:
        ValueError: a parameter off the chip's range.
        tf.errors.InvalidArgumentError: an input that is not finite.
    """
    spec = loihi_cuba_spec(
        threshold_mantissa=threshold_mantissa,
        current_decay=current_decay,
        voltage_decay=voltage_decay,
        surrogate_tau=surrogate_tau,
        surrogate_scale=surrogate_scale,
        surrogate=surrogate,
        gradient=gradient,
    )
    return fire(checks.series(synaptic_input, "synaptic_input"), spec)


def loihi_cuba_spec(
    *,
    threshold_mantissa,
    current_decay,
    voltage_decay,
    surrogate_tau,
    surrogate_scale,
    surrogate,
    gradient,
) -> NeuronSpec:
    """The checked parameters of ``loihi_cuba``."""
    mantissa = checks.integer(
        threshold_mantissa, "threshold_mantissa", low=0, high=MAX_THRESHOLD_MANTISSA
    )
    # A threshold of 0 is legal on the chip but has no width to be relative to.
    _, width, height = surrogate_params(
        max(mantissa, 1) / WEIGHT_ONE, surrogate_tau, surrogate_scale
    )
    params = (
        mantissa,
        width,
        height,
        checks.integer(current_decay, "current_decay", low=0, high=DECAY_ONE),
        checks.integer(voltage_decay, "voltage_decay", low=0, high=DECAY_ONE),
    )
    exodus = checks.gradient(gradient) == "exodus"
    return NeuronSpec("loihi_cuba", params, exodus, checks.surrogate(surrogate))
