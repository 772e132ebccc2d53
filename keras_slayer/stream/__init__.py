"""Networks that run live: on chunks of time, with their state kept."""

from keras_slayer.stream.stream import Stream

__all__ = ["Stream"]
