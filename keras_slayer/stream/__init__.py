"""Networks that run live: on chunks of time, with their state kept."""

from keras_slayer.stream.stream import Stream
from keras_slayer.stream.truncated_time import TruncatedTime

__all__ = ["Stream", "TruncatedTime"]
