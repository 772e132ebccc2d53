"""What the tests of the encoders share."""

import numpy as np

import keras_slayer as ks

LAYERS = {
    "rate": ks.RateEncoder(30, 150.0, 2.0, "poisson", low=-1.0, high=[2.0, 3.0, 4.0], seed=5),
    "latency": ks.LatencyEncoder(30, "logarithmic", 0.2, 9.0, 0.5, low=-1.0, high=2.0),
    "population": ks.PopulationEncoder(30, 5, 1.2, 0.2, low=[-1.0, 0.0, 0.5], high=5.0),
    "delta": ks.DeltaEncoder([0.3, 0.5, 0.9]),
}


def values(kind, seed=0):
    """Numbers for the encoders above: (6, 3), or (6, 12, 3) for the one of time series."""
    rng = np.random.default_rng(seed)
    if kind == "delta":
        return np.cumsum(rng.normal(0, 0.4, (6, 12, 3)), axis=1).astype("float32")
    return rng.uniform(-1, 3, (6, 3)).astype("float32")


def first_steps(spikes):
    """Step of the first spike of each train, -1 for none; trains along axis 1 of (batch, t, n)."""
    spikes = np.asarray(spikes)
    assert spikes.sum(axis=1).max() <= 1
    return np.where(spikes.any(axis=1), spikes.argmax(axis=1), -1)


def series(speed, seed=0):
    rng = np.random.default_rng(seed)
    steps = rng.uniform(-1, 1, (4, 300, 3))
    return (2.0 + np.cumsum(speed * steps, axis=1)).astype("float32")
