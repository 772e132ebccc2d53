"""What the event data sets have in common: the features of a recording."""

import numpy as np
import tensorflow_datasets as tfds

from keras_slayer.events.stream import Events

_DTYPES = {"x": np.uint8, "y": np.uint8, "t": np.int32, "polarity": np.bool_}


def event_features() -> tfds.features.FeaturesDict:
    """A recording of a sensor of up to 256 x 256 pixels, read as a dict of vectors.

    `x` and `y` uint8, `t` int32 in microseconds, `polarity` bool. To readers this is
    `Sequence({...})` of the four; but tfds encodes a Sequence event by event in Python, which is
    many times slower.
    """
    return tfds.features.FeaturesDict(
        {name: tfds.features.Tensor(shape=(None,), dtype=dtype) for name, dtype in _DTYPES.items()}
    )


def encode(events: Events, source: str = "<events>") -> dict[str, np.ndarray]:
    """The value of `event_features()` for one recording; `source` names it in errors.

    Raises:
        ValueError: a value that its type cannot hold.
    """
    for name, dtype in _DTYPES.items():
        value, most = getattr(events, name), 1 if dtype is np.bool_ else np.iinfo(dtype).max
        if len(events) and value.max() > most:
            first = int(np.argmax(value > most))
            raise ValueError(
                f"{source}: a data set holds {name} up to {most}. "
                f"Received: {name}={value[first]} in event {first}"
            )
    return {name: getattr(events, name).astype(dtype) for name, dtype in _DTYPES.items()}
