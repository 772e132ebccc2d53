"""A `tf.data` pipeline that keeps events in memory and makes dense spikes batch by batch.

    events --fit, bin--> numbers --cache--> shuffle --> batch --> scatter, shifted --> prefetch

The cache holds the number of each occupied bin, 4 bytes each (N-MNIST: 16 kB per recording, where
the dense tensor has 2.7 MB). Recordings are binned once; each batch costs one scatter.

Transforms, and values other than "binary", need the events themselves. The cache then holds one
number of 8 bytes per event, and each batch is transformed and binned:

    events --fit, pack--> cache --> shuffle --> batch --> transform, bin, scatter --> prefetch

Native ops (csrc/data) pass over all events of a batch at once. They give what TensorFlow's ops
give, random draws included.
"""

import math
import os
from collections.abc import Sequence

import tensorflow as tf

from keras_slayer.events import augment, binning, order, packing, sources, stages, times
from keras_slayer.events import values as bin_values
from keras_slayer.events.frame import check_fit
from keras_slayer.events.transforms import Transform
from keras_slayer.events.transforms import get as get_transform

# Dense batches are large (22 MB for 8 recordings of N-MNIST). Two in advance keep training busy.
_PREFETCH_BATCHES = 2


def spike_pipeline(
    dataset,
    *,
    sensor_shape: Sequence[int] | str | None = None,
    steps: int = 300,
    dt: float = 1.0,
    batch_size: int,
    fit: str | None = None,
    source_shape: Sequence[int] | None = None,
    shuffle: bool | int = False,
    transforms: Sequence[Transform] | Transform | None = None,
    shift: int = 0,
    rotate: float = 0.0,
    zoom: float = 0.0,
    values: str = "binary",
    tau: float = 20.0,
    cache: bool = True,
    seed: int | None = None,
    drop_remainder: bool = False,
    origin: str = "auto",
    late: str = "drop",
    dtype: str | tf.DType = "float32",
    shard: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """Turns a data set of event recordings into batches of dense spikes for `model.fit`.

    Args:
        dataset: pairs `(events, label)`, as `tfds.load(name, as_supervised=True)` gives them;
            events is a mapping of vectors `x`, `y`, `t` (whole microseconds, of an integer type)
            and `polarity`, a label one tensor or more, each of the same shape for all recordings.
            Or an object that makes such a data set: with a method `as_dataset(shuffle=, seed=)`, a
            length, `sensor_shape` and `class_names`.
        sensor_shape: of the spikes, `(height, width, channels)` or `(neurons,)`; see `to_spikes`.
            "auto" is the `sensor_shape` of `dataset`, after the transforms; it is the default for
            a `dataset` that has one, and `(34, 34, 2)` is for others.
        steps: time steps of the result.
        dt: milliseconds per step. Give the neurons the same: `SRM(dt=...)`. `check_time_step`
            compares them.
        batch_size: samples per batch.
        fit: brings recordings of another size, or of different sizes, to `sensor_shape`: "crop" or
            "scale", see `fit_frame`. None: they have that size, and events outside are an error.
        source_shape: with `fit`, `(height, width)` of the recordings; None takes that of `dataset`,
            or else each recording's own extent. With transforms that change the size, the
            `(height, width, channels)` that recordings have before them; None takes that of
            `dataset`, or else `sensor_shape`.
        shuffle: True shuffles over the whole data set, a number over a buffer of that many
            samples. The order differs from epoch to epoch. With True and a cache, the first epoch
            does not wait until all recordings are read: a `tf.data.Dataset` of more than 1,024 is
            shuffled over a buffer of 1,024 as it is read (give it in random order, as tfds does),
            an object with `as_dataset` reads in random order itself; later epochs are shuffled
            over the whole.
        transforms: one of `events.transforms`, or a list that is applied in order, anew in every
            epoch. They act on the events, before these are binned. Recordings must be shorter than
            35 minutes (2^31 microseconds).
        shift: each sample is moved by up to this many pixels in x and in y (see `random_shift`),
            differently in every epoch; after the transforms.
        rotate, zoom: each sample is turned about the centre by up to this many degrees, and
            scaled by 1 - zoom .. 1 + zoom; pixels are rounded to the nearest.
        values: what a bin holds, "binary", "count", "signed" or "surface"; see `to_spikes`.
        tau: ms, of "surface".
        cache: keep the events in memory after the first epoch: binned, or, where there are
            transforms or `values` is not "binary", as they are (8 bytes each).
        seed: makes order and transforms reproducible: two pipelines with the same seed give the
            same first epoch, the same second epoch, and so on. None takes `tf.random.set_seed`'s,
            which `keras.utils.set_random_seed` sets.
        drop_remainder: drop the last batch where it is smaller.
        origin: the time at which the first step begins, "auto", "zero" or "first". See
            `to_spikes`. Transforms get times counted from there.
        late: what happens to events past the last step, after the transforms: "drop", "ignore" or
            "error". "drop" warns once, of the first recording found that loses most of its events.
        dtype: of the spikes; "uint8" takes a fourth of the memory, for a model whose
            `keras.Input` has that dtype too.
        shard: `(count, index)`: recordings index, index + count, index + 2 count, ... alone, for
            one of `count` workers that train together. It is taken before cache and shuffle, so
            that a worker keeps and bins its own recordings only. Of an object with `as_dataset`,
            those alone are read, by the numbers of the recordings; a
            `tf.data.Dataset` is read to its end once (in every epoch without `cache`), and must
            come in the same order in all workers and epochs.
            All shards have as many batches: the last one may be empty. Give them to `fit` through
            `strategy.distribute_datasets_from_function`, as docs/scale.md shows.

    Returns:
        A `tf.data.Dataset` of `(spikes, labels)`, spikes `(batch, steps, *sensor_shape)`, with one
        channel for "signed"; labels as in `dataset`, or float32 `(batch, classes)` where transforms
        mix them. Its length is known if the length of `dataset` is. Its attribute `dt` is that of
        the arguments (what `take`, `map` and the like make of the data set has none).

    Warns:
        EventTimeWarning: while it runs, of a recording most of whose events are past the last
            step, or all in the first 64th of the frame: its number in `dataset`, and its label if
            that is one value.

    Raises:
        ValueError: an argument that is not allowed, elements that are not such pairs, sizes that
            do not fit each other, or a batch that is larger than the memory of this machine.
    """
    _check_shuffle(shuffle)
    shard = sources.check_shard(shard)
    source = sources.open_source(dataset, shuffle, seed, shard)
    transform = get_transform([] if transforms is None else transforms, "transforms")
    transformed = transforms is not None and transform != get_transform([])
    if source_shape is not None and fit is None and not transformed:
        raise ValueError(
            f"`source_shape` needs `fit`. Received: source_shape={source_shape} with fit=None"
        )
    before, sensor_shape = sources.choose_shapes(sensor_shape, source_shape, source, fit, transform)
    binning.check_binning(sensor_shape, steps, dt, late)
    times.check_origin(origin)
    augment.check_max_shift(shift, "shift")
    augment.check_affine(rotate, zoom, sensor_shape)
    if fit is not None:
        if source_shape is None and source.sensor_shape is not None:
            source_shape = source.sensor_shape[:2]
        check_fit(sensor_shape, fit, source_shape)
    sources.check_elements(source.dataset, before)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(
            f"`batch_size` must be a positive integer. Received: batch_size={batch_size}"
        )
    dtype = _check_dtype(dtype)
    shape = (steps, *bin_values.check_values(values, tau, sensor_shape, dtype))
    _check_memory(shape, batch_size, dtype)
    frame = stages.Frame(sensor_shape, steps, dt, origin, late, fit, source_shape, dtype)
    report = (
        times.LostEvents(steps, dt, origin),
        _describe_shuffled if source.shuffled else _describe,
    )
    if transformed or values != "binary":
        packing.check_source(before)
        classes = stages.check_labels(transform, source.dataset.element_spec[1], source.class_names)
        transform = stages.with_shift(transform, shift, rotate, zoom)
        stage = stages.Raw(frame, before, transform, values, tau, classes, *report)
    else:
        stage = stages.Binned(frame, shift, rotate, zoom, *report)

    dataset = source.numbered().map(stage.pack, num_parallel_calls=tf.data.AUTOTUNE)
    if cache:
        size = int(dataset.cardinality())
        if size >= 0:
            # An iterator that is abandoned may end its input early. The cache would take that
            # for the end of the data; with the number asserted, it is not completed.
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
        dataset = dataset.cache()
    dataset = _shuffled(dataset, shuffle, cache, source, seed)
    # Events are padded with numbers that stand for none; nothing else has different lengths.
    numbers, *others = dataset.element_spec
    padding = (tf.constant(-1, numbers.dtype), *tf.nest.map_structure(lambda _: None, others))
    dataset = dataset.padded_batch(
        batch_size, padding_values=padding, drop_remainder=drop_remainder
    )

    def dense(*element, seed=None):
        spikes, labels = stage.dense(*element, *([] if seed is None else [seed]))
        return tf.ensure_shape(spikes, (batch_size if drop_remainder else None, *shape)), labels

    if stage.random:
        seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
        dataset = tf.data.Dataset.zip(dataset, seeds)
        dataset = dataset.map(
            lambda element, seed: dense(*element, seed=seed), num_parallel_calls=tf.data.AUTOTUNE
        )
    else:
        dataset = dataset.map(dense, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = sources.same_length(dataset, source, batch_size, drop_remainder)
    dataset = dataset.prefetch(_PREFETCH_BATCHES)
    if shard[0] > 1:
        # Else a strategy of several workers would take a shard of the shard.
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        dataset = dataset.with_options(options)
        dataset.sharded = True  # `enable_multi_worker` looks for it
    dataset.dt = float(dt)
    return dataset


def _shuffled(dataset, shuffle, cache, source, seed):
    if shuffle is False or (source.shuffled and not cache):
        return dataset
    if shuffle is not True:
        return dataset.shuffle(shuffle, seed=seed)
    if source.size < 0:
        raise ValueError(
            "`shuffle=True` needs a data set of known length; otherwise give the number of samples "
            f"to shuffle over. Received: dataset.cardinality()={source.size}"
        )
    if cache:
        return order.shuffle_cached(dataset, source.size, seed, shuffled=source.shuffled)
    return dataset.shuffle(max(source.size, 1), seed=seed)


def _describe(row, index, label=None) -> str:
    if label is None:
        return f"Recording {index} of the data set"
    label = label.decode(errors="replace") if isinstance(label, bytes) else label
    return f"Recording {index} of the data set (label {label})"


def _describe_shuffled(row, index, label=None) -> str:
    """Where the number is not that of the recording in the data set."""
    return _describe(row, index, label).replace(f"Recording {index}", "A recording", 1)


def _check_shuffle(shuffle) -> None:
    if not isinstance(shuffle, bool | int) or (shuffle is not False and shuffle < 1):
        raise ValueError(
            "`shuffle` must be True, False or a positive number of samples. "
            f"Received: shuffle={shuffle}"
        )


def _check_dtype(dtype) -> tf.DType:
    try:
        found = tf.as_dtype(dtype)
    except TypeError:
        found = None
    if found is None or not (found.is_floating or found.is_integer or found.is_bool):
        raise ValueError(
            "`dtype` must be a floating-point or integer type or bool, such as 'float32' or "
            f"'uint8'. Received: dtype={dtype!r}"
        )
    return found


def _check_memory(shape, batch_size, dtype) -> None:
    size = batch_size * math.prod(shape) * dtype.size
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory:
        raise ValueError(
            f"A batch of spikes must fit into memory ({memory / 1e9:,.1f} GB). Use fewer or longer "
            "steps, a smaller frame (`fit`), a smaller `batch_size` or dtype='uint8'. Received: "
            f"batch_size={batch_size}, steps={shape[0]}, sensor_shape={shape[1:]} and "
            f"dtype={dtype.name!r}: {size / 1e9:,.1f} GB"
        )
