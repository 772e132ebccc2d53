"""What the event data sets have in common: the features of a recording."""

from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds

from keras_slayer.events.stream import Events

_NARROW = {"x": np.uint8, "y": np.uint8, "t": np.int32, "polarity": np.bool_}
_WIDE = {"x": np.uint16, "y": np.uint16, "t": np.int64, "polarity": np.bool_}


def event_features(*, wide: bool = False) -> tfds.features.FeaturesDict:
    """A recording, read as a dict of vectors.

    To readers this is `Sequence({...})` of the four; but tfds encodes a Sequence event by event in
    Python, which is many times slower.

    Args:
        wide: False for sensors of up to 256 x 256 pixels and 35 minutes: `x` and `y` uint8, `t`
            int32 in microseconds, `polarity` bool. True for larger ones: `x` and `y` uint16, `t`
            int64, `polarity` bool.
    """
    return tfds.features.FeaturesDict(
        {
            name: tfds.features.Tensor(shape=(None,), dtype=dtype)
            for name, dtype in _dtypes(wide).items()
        }
    )


def labelled_info(builder, classes: Sequence[str]) -> tfds.core.DatasetInfo:
    """Of a builder whose recordings have a label and nothing else; the rest is in its `RECORDS`."""
    record = builder.RECORDS[0]
    return builder.dataset_info_from_configs(
        features=tfds.features.FeaturesDict(
            {
                "events": event_features(),
                "label": tfds.features.ClassLabel(names=list(classes)),
            }
        ),
        supervised_keys=("events", "label"),
        homepage=record.homepage,
        license=record.licence,
    )


def encode(
    events: Events, source: str = "<events>", *, wide: bool = False
) -> dict[str, np.ndarray]:
    """The value of `event_features(wide=wide)` for one recording; `source` names it in errors.

    Raises:
        ValueError: a value that its type cannot hold; larger ones fit with `wide=True`.
    """
    dtypes = _dtypes(wide)
    for name, dtype in dtypes.items():
        value, most = getattr(events, name), 1 if dtype is np.bool_ else np.iinfo(dtype).max
        if len(events) and value.max() > most:
            first = int(np.argmax(value > most))
            raise ValueError(
                f"{source}: a data set holds {name} up to {most}. "
                f"Received: {name}={value[first]} in event {first}"
            )
    return {name: getattr(events, name).astype(dtype) for name, dtype in dtypes.items()}


def _dtypes(wide: bool) -> dict:
    return _WIDE if wide else _NARROW
