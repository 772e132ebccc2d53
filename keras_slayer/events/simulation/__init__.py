"""Pictures and video become events: a model of an event camera."""

from keras_slayer.events.simulation.camera import EventCamera
from keras_slayer.events.simulation.frame_rate import FrameRateWarning
from keras_slayer.events.simulation.pictures import saccades
from keras_slayer.events.simulation.video import simulate

__all__ = ["EventCamera", "FrameRateWarning", "saccades", "simulate"]
