"""Transforms made of transforms."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from keras_slayer.events.transforms import arguments
from keras_slayer.events.transforms.base import Transform


def get(identifier, argument: str = "transform") -> Transform:
    """A transform from its instance, a sequence of them, or a serialised config.

    Raises:
        ValueError: the identifier is none of these.
    """
    if isinstance(identifier, Mapping):
        identifier = keras.saving.deserialize_keras_object(dict(identifier))
    if isinstance(identifier, Transform):
        return identifier
    if isinstance(identifier, list | tuple):
        return Sequential(identifier)
    raise ValueError(
        f"{argument} must be a Transform of keras_slayer.events.transforms, such as Shift(2), or "
        f"a list of them. Received: {argument}={identifier!r}"
    )


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class Sequential(Transform):
    """Applies transforms one after the other.

    Transform number i draws from `tf.random.fold_in(seed, i)`.

    Args:
        transforms: a sequence of transforms; none leaves the events as they are.
    """

    transforms: Sequence[Transform] = ()

    def __post_init__(self):
        if not isinstance(self.transforms, list | tuple):
            raise ValueError(
                f"transforms must be a list of transforms. Received: transforms={self.transforms!r}"
            )
        self._set(transforms=tuple(get(item, "transforms") for item in self.transforms))

    @property
    def needs_sensor(self) -> bool:
        return any(item.needs_sensor for item in self.transforms)

    @property
    def reorders(self) -> bool:
        return any(item.reorders for item in self.transforms)

    @property
    def mixes_labels(self) -> bool:
        return any(item.mixes_labels for item in self.transforms)

    @property
    def num_classes(self) -> int | None:
        return next((t.num_classes for t in self.transforms if t.num_classes is not None), None)

    def output_shape(self, sensor_shape):
        for item in self.transforms:
            sensor_shape = item.output_shape(sensor_shape)
        return sensor_shape

    def apply(self, batch, sensor_shape, seed):
        for index, item in enumerate(self.transforms):
            batch = item.apply(batch, sensor_shape, tf.random.fold_in(seed, index))
            sensor_shape = item.output_shape(sensor_shape)
        return batch

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        return {"transforms": [serialize(item) for item in self.transforms]}


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class RandomApply(Transform):
    """Applies a transform to some of the recordings, and leaves the others as they are.

    Args:
        transform: one that leaves the sensor's size as it is, or a list of such.
        probability: of each recording to be transformed, drawn once per recording.
    """

    transform: Transform | Sequence[Transform]
    probability: float = 0.5

    def __post_init__(self):
        self._set(
            transform=get(self.transform), probability=arguments.probability(self.probability)
        )

    @property
    def needs_sensor(self) -> bool:
        return self.transform.needs_sensor

    @property
    def reorders(self) -> bool:
        return self.transform.reorders

    @property
    def mixes_labels(self) -> bool:
        return self.transform.mixes_labels

    @property
    def num_classes(self) -> int | None:
        return self.transform.num_classes

    def output_shape(self, sensor_shape):
        target = self.transform.output_shape(sensor_shape)
        if target != sensor_shape:
            raise ValueError(
                "RandomApply needs a transform that leaves the sensor's size as it is. "
                f"Received: transform={self.transform!r}, which makes {tuple(sensor_shape)} "
                f"into {tuple(target)}"
            )
        return target

    def apply(self, batch, sensor_shape, seed):
        draw, inner = tf.unstack(tf.random.split(seed, 2))
        chosen = tf.random.stateless_uniform([batch.size], draw) < self.probability
        return batch.select(chosen, self.transform.apply(batch, sensor_shape, inner))

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        return {"transform": serialize(self.transform), "probability": self.probability}
