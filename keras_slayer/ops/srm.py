"""Spike response model neuron (SLAYER's): response filter, refractory response, spikes."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import library, reference
from keras_slayer.ops.neuron_spec import NeuronSpec, fire, surrogate_params
from keras_slayer.ops.temporal_filter import alpha_kernel, alpha_params, temporal_filter

# The original code cuts eps at 0.01 and nu at 0.0001.
REFRACTORY_CUTOFF_RATIO = 0.01


@tf.autograph.experimental.do_not_convert
def srm(
    synaptic_input,
    *,
    threshold: float = 10.0,
    tau_response: float = 10.0,
    tau_refractory: float = 1.0,
    refractory_scale: float = 2.0,
    kernel_cutoff: float | None = None,
    surrogate_tau: float = 1.0,
    surrogate_scale: float = 1.0,
    surrogate: str = "exponential",
    gradient: str = "slayer",
):
    """Spikes of SRM neurons with alpha kernels, response filter included.

    With eps[k] = (k / tau_s) exp(1 - k / tau_s) and
    nu[k] = -refractory_scale threshold (k / tau_r) exp(1 - k / tau_r)::

        u[t] = sum_k eps[k] z[t - k] + sum_k nu[k] s[t - k]
        s[t] = 1 if u[t] >= threshold else 0

    Backwards, with x = |u - threshold| / (surrogate_tau threshold)::

        rho(u) = surrogate_scale / (surrogate_tau threshold) exp(-x)      "exponential"
        rho(u) = surrogate_scale / (surrogate_tau threshold) max(0, 1 - x / 2)   "triangle"

        lambda[t] = rho(u[t]) ds[t]                                   "slayer"
        lambda[t] = rho(u[t]) (ds[t] + sum_k nu[k] lambda[t + k])     "exodus"
        dz[t] = sum_k eps[k] lambda[t + k]

    Args:
        synaptic_input: z, tensor (batch, time, ...): weighted input spikes.
        threshold: firing threshold, positive.
        tau_response: tau_s, in steps.
        tau_refractory: tau_r, in steps.
        refractory_scale: depth of the refractory response in thresholds.
        kernel_cutoff: None for the recursive kernels, without truncation. A
            number truncates: eps ends before the first k > tau_s with
            eps[k] < kernel_cutoff, nu likewise at a hundredth of it (the
            original code's pair is 0.01 and 0.0001). Needed only to reproduce
            results of truncating code.
        surrogate_tau: width of the surrogate relative to the threshold.
        surrogate_scale: factor of the surrogate.
        surrogate: ``"exponential"`` (SLAYER's) or ``"triangle"``, which has the
            same peak and area and is zero further than 2 surrogate_tau
            thresholds from threshold: gradients of layers run only over the
            neurons and steps within (Perez-Nieves & Goodman, NeurIPS 2021).
        gradient: ``"slayer"`` (Shrestha & Orchard 2018) or ``"exodus"`` (Bauer
            et al. 2023), the exact gradient under the surrogate.

    Returns:
        (spikes, membrane): both like ``synaptic_input``; spikes are 0 or 1,
        membrane is u. No gradient flows through ``membrane``.

    Raises:
        ValueError: wrong rank, dtype or parameter.
    """
    z = checks.series(synaptic_input, "synaptic_input")
    spec = srm_spec(
        threshold=threshold,
        tau_response=tau_response,
        tau_refractory=tau_refractory,
        refractory_scale=refractory_scale,
        surrogate_tau=surrogate_tau,
        surrogate_scale=surrogate_scale,
        surrogate=surrogate,
        gradient=gradient,
    )
    if kernel_cutoff is None:
        return fire(z, spec)
    kernel_cutoff = checks.number(kernel_cutoff, "kernel_cutoff", open_low=True)
    response = temporal_filter(z, alpha_kernel(tau_response, cutoff=kernel_cutoff))
    refractory = alpha_kernel(
        tau_refractory,
        cutoff=kernel_cutoff * REFRACTORY_CUTOFF_RATIO,
        scale=-refractory_scale * threshold,
    )
    return _srm_fir(response, refractory, spec.params[:3], spec.gradient_options)


def srm_spec(
    *,
    threshold,
    tau_response,
    tau_refractory,
    refractory_scale,
    surrogate_tau,
    surrogate_scale,
    surrogate,
    gradient,
) -> NeuronSpec:
    """The checked parameters of ``srm`` with recursive kernels."""
    threshold = checks.number(threshold, "threshold", open_low=True)
    tau_response = checks.number(tau_response, "tau_response", open_low=True)
    tau_refractory = checks.number(tau_refractory, "tau_refractory", open_low=True)
    depth = -checks.number(refractory_scale, "refractory_scale") * threshold
    params = [
        *surrogate_params(threshold, surrogate_tau, surrogate_scale),
        *alpha_params(tau_response),
        *alpha_params(tau_refractory, depth),
    ]
    exodus = checks.gradient(gradient) == "exodus"
    return NeuronSpec("srm", tuple(params), exodus, checks.surrogate(surrogate))


@tf.autograph.experimental.do_not_convert
def srm_fir(
    response,
    refractory_kernel,
    *,
    threshold: float = 10.0,
    surrogate_tau: float = 1.0,
    surrogate_scale: float = 1.0,
    surrogate: str = "exponential",
    gradient: str = "slayer",
):
    """Spikes of SRM neurons from their synaptic response, with any refractory kernel.

    u[t] = response[t] + sum_k nu[k] s[t - k], s[t] = u[t] >= threshold;
    gradients as for ``srm`` with dresponse = lambda.

    Args:
        response: tensor (batch, time, ...), already filtered.
        refractory_kernel: nu, vector in membrane units; nu[0] must be 0.
        threshold, surrogate_tau, surrogate_scale, surrogate, gradient: as for ``srm``.

    Returns:
        (spikes, membrane) like ``response``.
    """
    response = checks.series(response, "response")
    threshold = checks.number(threshold, "threshold", open_low=True)
    params = surrogate_params(threshold, surrogate_tau, surrogate_scale)
    exodus = checks.gradient(gradient) == "exodus"
    options = {"exodus": exodus, "surrogate": checks.surrogate(surrogate)}
    return _srm_fir(response, refractory_kernel, params, options)


def _srm_fir(response, refractory_kernel, params, options):
    native = library.native()
    refractory = checks.taps(refractory_kernel, "refractory_kernel", tf.float64)
    if native is None:
        spikes, membrane = reference.srm_fir(response, params, refractory, **options)
    else:
        spikes, membrane = native.keras_slayer_srm_fir(
            response=response, params=params, refractory=refractory, **options
        )
    return spikes, tf.stop_gradient(membrane)


@tf.RegisterGradient("KerasSlayer>SrmFir")
def _srm_fir_grad(op, grad_spikes, _grad_membrane):
    grad_response = library.native().keras_slayer_srm_fir_grad(
        grad_spikes=grad_spikes,
        membrane=op.outputs[1],
        params=op.inputs[1],
        refractory=op.inputs[2],
        exodus=op.get_attr("exodus"),
        surrogate=op.get_attr("surrogate"),
    )
    return grad_response, None, None
