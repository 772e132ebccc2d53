"""What a pipeline reads from: a `tf.data.Dataset`, or an object that makes one."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_slayer.events import sensor, times


@dataclasses.dataclass(frozen=True)
class Source:
    """Recordings as a data set, and what is known of them.

    Args:
        dataset: pairs `(events, label)`.
        sensor_shape: of all recordings; None where it is not known.
        class_names: None where there are none.
        shuffled: whether the data set reads recordings in random order, another one each epoch.
        size: recordings, or more where some turn out not to be readable; below 0 if not known.
        shard: `(count, index)`, the part of the recordings that is read.
        whole: recordings of all shards together; below 0 if not known.
        chosen: whether `dataset` has the shard's recordings alone, as it reads no others.
    """

    dataset: tf.data.Dataset
    sensor_shape: tuple[int, ...] | None = None
    class_names: tuple[str, ...] | None = None
    shuffled: bool = False
    size: int = -1
    shard: tuple[int, int] = (1, 0)
    whole: int = -1
    chosen: bool = False

    def numbered(self) -> tf.data.Dataset:
        """Pairs of the number of a recording, among those of all shards, and the recording."""
        count, index = self.shard
        if self.chosen:
            return self.dataset.enumerate().map(
                lambda number, recording: (number * count + index, recording)
            )
        numbered = self.dataset.enumerate()
        return numbered if count == 1 else numbered.shard(count, index)


def open_source(dataset, shuffle, seed, shard=(1, 0)) -> Source:
    """The source of `spike_pipeline`'s `dataset`; ValueError where it is none."""
    count, index = shard
    if isinstance(dataset, tf.data.Dataset):
        size = int(dataset.cardinality())
        own = max(size - index + count - 1, 0) // count if size >= 0 else -1
        return Source(dataset, size=own, shard=shard, whole=size)
    if not callable(getattr(dataset, "as_dataset", None)):
        raise ValueError(
            "`dataset` must be a tf.data.Dataset, or have a method as_dataset(shuffle=, seed=) "
            "that gives one. keras_slayer.events.from_arrays makes one of recordings in a list. "
            f"Received: dataset={dataset!r}"
        )
    shape, names = (getattr(dataset, name, None) for name in ("sensor_shape", "class_names"))
    shuffled, chosen, whole = shuffle is True, count > 1, len(dataset)
    if chosen:
        if not hasattr(dataset, "__getitem__"):
            raise ValueError(
                "`shard` needs a tf.data.Dataset, or an object of which dataset[index::count] "
                f"gives every count-th recording. Received: shard={shard} with dataset={dataset!r}"
            )
        dataset = dataset[index::count]
    return Source(
        dataset.as_dataset(shuffle=shuffled, seed=seed),
        None if shape is None else sensor.check_sensor_shape(shape, "dataset.sensor_shape"),
        None if names is None else tuple(names),
        shuffled,
        len(dataset),
        shard,
        whole,
        chosen,
    )


def same_length(dataset: tf.data.Dataset, source: Source, batch_size: int, drop: bool):
    """Batches of a shard, as many as every other shard has.

    Workers that train together take the same number of steps. A shard with a recording less than
    the first may have a batch less: it gets an empty one, or, with `drop`, none has more than it.

    Args:
        dataset: batches of the source's shard.
        batch_size: recordings in each.
        drop: whether the last batch is dropped where it is smaller.
    """
    count, index = source.shard
    if count == 1 or int(dataset.cardinality()) < 0:
        return dataset
    if drop:
        return dataset.take(source.whole // count // batch_size)
    batches = [-(-((source.whole - i + count - 1) // count) // batch_size) for i in (0, index)]
    if batches[0] == batches[1]:
        return dataset
    empty = tf.nest.map_structure(
        lambda spec: tf.zeros([0, *spec.shape[1:]], spec.dtype), dataset.element_spec
    )
    return dataset.concatenate(tf.data.Dataset.from_tensors(empty))


def check_shard(shard) -> tuple[int, int]:
    """`(count, index)`; `(1, 0)` for None. ValueError where it is no such pair."""
    if shard is None:
        return 1, 0
    pair = tuple(shard) if isinstance(shard, tuple | list) else ()
    whole = [isinstance(v, int | np.integer) and not isinstance(v, bool) for v in pair]
    if len(pair) != 2 or not all(whole) or not 0 <= pair[1] < pair[0]:
        raise ValueError(
            "`shard` must be a pair (count, index) of integers, index from 0 to count - 1. "
            f"Received: shard={shard!r}"
        )
    return int(pair[0]), int(pair[1])


def check_elements(dataset, sensor_shape) -> None:
    """ValueError unless elements are pairs of events for such a sensor and labels of one shape."""
    spec = dataset.element_spec
    needed = sensor.fields_needed(sensor_shape)
    pair = isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[0], dict)
    if not pair or not needed <= spec[0].keys():
        raise ValueError(
            f"`dataset` must give pairs (events, label), events a mapping with {sorted(needed)} "
            f"(tfds.load(..., as_supervised=True)). Received: dataset.element_spec={spec}"
        )
    times.check_unit(spec[0]["t"].dtype)
    if any(spec[0][name].shape.rank not in (None, 1) for name in needed):
        raise ValueError(
            "An element of `dataset` must be one recording, each field of its events a vector: "
            "dataset.unbatch() takes batches apart. "
            f"Received: dataset.element_spec[0]={spec[0]}"
        )
    for label in tf.nest.flatten(spec[1]):
        if not isinstance(label, tf.TensorSpec) or not label.shape.is_fully_defined():
            raise ValueError(
                "Labels must be tensors of one known shape, because they are batched as they are; "
                "tf.ensure_shape sets it. Received: "
                f"dataset.element_spec[1]={spec[1]}"
            )


def choose_shapes(sensor_shape, source_shape, source: Source, fit, transform):
    """The sensor of the recordings, as transforms get it, and that of the spikes.

    Args:
        sensor_shape: a shape; None or "auto" follow from the source and the transforms.
        source_shape: a shape or None.

    Returns:
        `(before, after)`.

    Raises:
        ValueError: sizes that do not fit each other, or a size that is not known.
    """
    before = source.sensor_shape
    if source_shape is not None and fit is None:
        before = sensor.check_sensor_shape(source_shape, "source_shape")
    automatic = isinstance(sensor_shape, str) or (sensor_shape is None and before is not None)
    if isinstance(sensor_shape, str) and sensor_shape != "auto":
        raise ValueError(
            f'`sensor_shape` must be a shape or "auto". Received: sensor_shape={sensor_shape!r}'
        )
    if automatic and fit is not None:
        raise ValueError(
            f"`fit` brings recordings to a frame: give it as sensor_shape=(height, width, "
            f"channels). Received: fit={fit!r} with sensor_shape={sensor_shape!r}"
        )
    if automatic and before is None:
        raise ValueError(
            '`sensor_shape="auto"` needs recordings that know their sensor; a tf.data.Dataset does '
            "not: give sensor_shape=(height, width, channels), or source_shape. "
            f"Received: sensor_shape={sensor_shape!r}"
        )
    if automatic:
        return before, transform.output_shape(before)
    after = sensor.check_sensor_shape((34, 34, 2) if sensor_shape is None else sensor_shape)
    if before is None or fit is not None:
        before = after
    made = transform.output_shape(before)
    merged = (*made[:-1], 1)  # with one channel, all polarities share it
    if after != made and (len(after) == 1 or after != merged):
        help_ = f"give sensor_shape={made}"
        if source.sensor_shape is None and fit is None and source_shape is None:
            help_ += f" and source_shape={before}, if that is the sensor of the recordings"
        elif fit is None:
            help_ += " or a `fit`"
        else:
            help_ = "with `fit`, transforms must leave the size as it is"
        raise ValueError(
            f"Recordings of a sensor {before} become {made} by the transforms, which is not the "
            f"frame: {help_}. Received: sensor_shape={after}"
        )
    return before, after
