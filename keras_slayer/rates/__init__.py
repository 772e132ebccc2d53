"""Firing rates of a model's layers: measured on a batch of data, and set by scaling weights."""

from keras_slayer.rates.advice import FiringRateWarning
from keras_slayer.rates.measuring import FiringRates, firing_rates
from keras_slayer.rates.setting import SetRate, set_firing_rates
from keras_slayer.watching import spiking_layers

__all__ = [
    "FiringRateWarning",
    "FiringRates",
    "SetRate",
    "firing_rates",
    "set_firing_rates",
    "spiking_layers",
]
