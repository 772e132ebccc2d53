"""SRM neurons whose refractory kernel is any vector of taps."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import Surrogate, reference
from keras_slayer.ops import library


@tf.autograph.experimental.do_not_convert
def srm_fir(
    response,
    refractory_kernel,
    *,
    threshold: float = 10.0,
    surrogate: Surrogate | str | None = None,
    **options,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Spikes of SRM neurons from their synaptic response, with any refractory kernel.

    u[t] = response[t] + sum_k nu[k] s[t - k], s[t] = u[t] >= threshold;
    gradients as for ``SRM`` with dresponse = lambda.

    Args:
        response: tensor (batch, time, ...), already filtered.
        refractory_kernel: nu, vector in membrane units; nu[0] must be 0.
        threshold: positive.
        surrogate: a ``Surrogate``, or the name of its shape.
        **options: ``surrogate_tau``, ``surrogate_scale``, ``gradient``; only if ``surrogate`` is
            a name or not given.

    Returns:
        (spikes, membrane) like ``response``.

    Raises:
        ValueError: wrong rank, dtype or parameter.
    """
    response = checks.series(response, "response")
    threshold = checks.number(threshold, "threshold", open_low=True)
    if not isinstance(surrogate, Surrogate):
        surrogate = _surrogate(surrogate, **options)
    refractory = checks.taps(refractory_kernel, "refractory_kernel", tf.float64)
    native = library.native()
    if native is None:
        spikes, membrane = _reference(response, refractory, threshold, surrogate)
    else:
        spikes, membrane = native.keras_slayer_srm_fir(
            response=response,
            params=[threshold, *surrogate.parameters(threshold).values()],
            refractory=refractory,
            **surrogate.options,
        )
    return spikes, tf.stop_gradient(membrane)


def _surrogate(shape, *, surrogate_tau=None, surrogate_scale=None, gradient=None) -> Surrogate:
    given = {"tau": surrogate_tau, "scale": surrogate_scale, "shape": shape, "gradient": gradient}
    return Surrogate(**{name: value for name, value in given.items() if value is not None})


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


def _reference(response, refractory, threshold: float, surrogate: Surrogate):
    wide = reference.widen(response)
    nu = tf.cast(refractory, wide.dtype)
    tf.debugging.assert_equal(nu[0], tf.zeros([], nu.dtype), "refractory[0] must be 0")
    # `coming` holds what earlier spikes add to the next steps, the nearest step first.
    ahead = tf.reshape(nu[1:], [-1, *([1] * (wide.shape.rank - 1))])
    series = tf.transpose(wide, [1, 0, *range(2, wide.shape.rank)])
    zero = tf.zeros_like(series[0])
    coming = tf.zeros_like(ahead) * zero

    def body(carry, psp):
        # Appends a row of zeros, so that coming[0] exists even if nu has a single tap.
        coming = tf.concat([carry[0], zero[tf.newaxis]], axis=0)
        u = psp + coming[0]
        spikes = reference.spike(u, threshold, surrogate)
        felt = spikes if surrogate.exodus else tf.stop_gradient(spikes)
        return coming[1:] + ahead * felt, spikes, u

    _, spikes, u = tf.scan(body, series, initializer=(coming, zero, zero))
    outputs = [tf.transpose(y, [1, 0, *range(2, wide.shape.rank)]) for y in (spikes, u)]
    for y in outputs:
        y.set_shape(wide.shape)
    return tf.cast(outputs[0], response.dtype), tf.cast(outputs[1], response.dtype)
