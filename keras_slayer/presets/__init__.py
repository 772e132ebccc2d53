"""Trained networks that come with the package."""

from keras_slayer.presets.card import Preset
from keras_slayer.presets.loading import available, from_preset

__all__ = ["Preset", "available", "from_preset"]
