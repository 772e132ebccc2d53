"""The neurons written out in NumPy, step by step, from their equations: the layers' oracle."""

import numpy as np

from keras_slayer import ALIF, CUBA, SRM, LoihiCUBA, ResonateAndFire


def fire(neuron, z):
    """Spikes of ``neuron`` for synaptic input z (batch, time, ...), in float64."""
    return _FIRE[type(neuron)](neuron, np.asarray(z, "float64"))


def alpha(steps, tau, scale=1.0):
    k = np.arange(steps)
    return scale * k / tau * np.exp(1 - k / tau)


def convolve(z, kernel):
    """y[t] = sum_k kernel[k] z[t - k]."""
    y = np.zeros_like(z)
    for k, tap in enumerate(kernel[: z.shape[1]]):
        y[:, k:] += tap * z[:, : z.shape[1] - k]
    return y


def response(neuron, z):
    """Membrane potential of a neuron that never fires."""
    z = np.asarray(z, "float64")
    steps = z.shape[1]
    if isinstance(neuron, SRM):
        kernel = alpha(steps, neuron.tau_response / neuron.dt)
        if neuron.kernel_cutoff is not None:
            tail = np.arange(steps) > neuron.tau_response / neuron.dt
            below = np.flatnonzero(tail & (kernel < neuron.kernel_cutoff))
            kernel[below[0] if below.size else steps :] = 0
        return convolve(z, kernel)
    if isinstance(neuron, ALIF):
        return convolve(z, np.exp(-neuron.dt / neuron.tau_membrane * np.arange(steps)))
    if isinstance(neuron, ResonateAndFire):
        return convolve(z, _swing(neuron, steps).imag)
    one = 1 if isinstance(neuron, CUBA) else 4096
    powers = np.arange(steps)
    current = (1 - neuron.current_decay / one) ** powers
    voltage = (1 - neuron.voltage_decay / one) ** powers
    y = convolve(convolve(z, current), voltage)
    if isinstance(neuron, LoihiCUBA):
        y = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
    return y


def _fire_srm(neuron, z):
    u = response(neuron, z)
    steps = z.shape[1]
    depth = -neuron.refractory_scale * neuron.threshold
    nu = alpha(steps, neuron.tau_refractory / neuron.dt, depth)
    spikes = np.zeros_like(u)
    for t in range(steps):
        spikes[:, t] = u[:, t] >= neuron.threshold
        for later in range(t + 1, steps):
            u[:, later] += nu[later - t] * spikes[:, t]
    return spikes


def _fire_alif(neuron, z):
    v, steps = response(neuron, z), z.shape[1]
    leak, slow = (
        np.exp(-neuron.dt / tau * np.arange(steps))
        for tau in (neuron.tau_membrane, neuron.tau_adaptation)
    )
    spikes, rise = np.zeros_like(v), np.zeros_like(v)
    for t in range(steps):
        spikes[:, t] = v[:, t] >= neuron.threshold + neuron.beta * rise[:, t]
        for later in range(t + 1, steps):
            v[:, later] -= neuron.threshold * leak[later - t - 1] * spikes[:, t]
            rise[:, later] += slow[later - t - 1] * spikes[:, t]
    return spikes


def _swing(neuron, steps):
    """The powers of the pole."""
    radians = 2 * np.pi * neuron.frequency / 1000
    return np.exp((1j * radians - 1 / neuron.tau) * neuron.dt * np.arange(steps))


def _fire_rf(neuron, z):
    u, steps = response(neuron, z), z.shape[1]
    after = -neuron.threshold * _swing(neuron, steps).real
    spikes = np.zeros_like(u)
    for t in range(steps):
        spikes[:, t] = u[:, t] >= neuron.threshold
        for later in range(t + 1, steps):
            u[:, later] += after[later - t] * spikes[:, t]
    return spikes


def _fire_cuba(neuron, z):
    current = voltage = np.zeros_like(z[:, 0])
    spikes = np.zeros_like(z)
    for t in range(z.shape[1]):
        current = (1 - neuron.current_decay) * current + z[:, t]
        voltage = (1 - neuron.voltage_decay) * voltage + current
        spikes[:, t] = voltage >= neuron.threshold
        voltage = voltage * (1 - spikes[:, t])
    return spikes


def _fire_loihi(neuron, z):
    def shrink(x, decay):
        return np.sign(x) * (np.abs(x * (4096 - decay)) >> 12)

    weight_units = np.rint(z * 64).astype("int64")
    u = v = arriving = np.zeros_like(weight_units[:, 0])
    spikes = np.zeros_like(z)
    for t in range(z.shape[1]):
        u = shrink(u, neuron.current_decay) + (arriving << 6)
        v = np.clip(shrink(v, neuron.voltage_decay) + u, 1 - 2**23, 2**23 - 1)
        spikes[:, t] = v > neuron.threshold_mantissa << 6
        v = np.where(spikes[:, t] == 1, 0, v)
        arriving = weight_units[:, t]
    return spikes


_FIRE = {
    SRM: _fire_srm,
    CUBA: _fire_cuba,
    LoihiCUBA: _fire_loihi,
    ALIF: _fire_alif,
    ResonateAndFire: _fire_rf,
}
