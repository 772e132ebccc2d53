"""Encoders: numbers that are no events become spikes, 0 or 1, with a time axis.

Each is a Keras layer, and a function for `tf.data.Dataset.map`. They are apart from `layers/`,
whose layers take spikes (batch, time, ...): most of these take numbers without a time axis.
"""

from keras_slayer.encoders.delta import DeltaEncoder, delta_spikes, reconstruct
from keras_slayer.encoders.latency import LatencyEncoder, latency_spikes
from keras_slayer.encoders.population import PopulationEncoder, population_spikes
from keras_slayer.encoders.rate import RateEncoder, rate_spikes

__all__ = [
    "DeltaEncoder",
    "LatencyEncoder",
    "PopulationEncoder",
    "RateEncoder",
    "delta_spikes",
    "latency_spikes",
    "population_spikes",
    "rate_spikes",
    "reconstruct",
]
