"""What data sets of one-dimensional sensors have in common: the features of a recording."""

import numpy as np
import tensorflow_datasets as tfds

from keras_slayer.events.stream import Events


def channel_features() -> tfds.features.FeaturesDict:
    """A recording of a cochlea: `x`, the channel (uint16), and `t` in microseconds (int32).

    There is no `y` and no polarity: `events.spike_pipeline` takes such recordings with
    `sensor_shape=(channels,)`.
    """
    return tfds.features.FeaturesDict(
        {
            "x": tfds.features.Tensor(shape=(None,), dtype=np.uint16),
            "t": tfds.features.Tensor(shape=(None,), dtype=np.int32),
        }
    )


def encode_channels(events: Events) -> dict[str, np.ndarray]:
    """The value of `channel_features()` for one recording of less than 2^31 microseconds."""
    return {"x": events.x, "t": events.t.astype(np.int32)}
