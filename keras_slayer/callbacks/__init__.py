"""Callbacks that watch and set the firing rates of a model's layers."""

from keras_slayer.callbacks.firing_rate_monitor import FiringRateMonitor
from keras_slayer.callbacks.set_firing_rates import RateInitializer, SetFiringRates

__all__ = ["FiringRateMonitor", "RateInitializer", "SetFiringRates"]
