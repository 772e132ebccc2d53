"""Callbacks that watch, show and set the firing rates of a model's layers."""

from keras_slayer.callbacks.firing_rate_monitor import FiringRateMonitor
from keras_slayer.callbacks.set_firing_rates import RateInitializer, SetFiringRates
from keras_slayer.callbacks.spike_raster_logger import SpikeRasterLogger

__all__ = ["FiringRateMonitor", "RateInitializer", "SetFiringRates", "SpikeRasterLogger"]
