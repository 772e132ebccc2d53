"""A `tf.data` pipeline that keeps events in memory and makes dense spikes batch by batch.

    events --fit, bin--> numbers --cache--> shuffle --> batch --> scatter, shifted --> prefetch

The cache holds the number of each occupied bin, 4 bytes each (N-MNIST: 16 kB per recording, where
the dense tensor has 2.7 MB). Recordings are binned once; each batch costs one scatter.
"""

import math
import os
from collections.abc import Sequence

import tensorflow as tf

from keras_slayer.events import augment, binning, scatter, times
from keras_slayer.events.frame import check_fit, fit_frame

# Dense batches are large (22 MB for 8 recordings of N-MNIST). Two in advance keep training busy.
_PREFETCH_BATCHES = 2


def spike_pipeline(
    dataset: tf.data.Dataset,
    *,
    sensor_shape: Sequence[int] = (34, 34, 2),
    steps: int = 300,
    dt: float = 1.0,
    batch_size: int,
    fit: str | None = None,
    source_shape: Sequence[int] | None = None,
    shuffle: bool | int = False,
    shift: int = 0,
    rotate: float = 0.0,
    zoom: float = 0.0,
    cache: bool = True,
    seed: int | None = None,
    drop_remainder: bool = False,
    origin: str = "auto",
    late: str = "drop",
    dtype: str | tf.DType = "float32",
) -> tf.data.Dataset:
    """Turns a data set of event recordings into batches of dense spikes for `model.fit`.

    Args:
        dataset: pairs `(events, label)`, as `tfds.load(name, as_supervised=True)` gives them;
            events is a mapping of vectors `x`, `y`, `t` (whole microseconds, of an integer type)
            and `polarity`, a label one tensor or more, each of the same shape for all recordings.
        sensor_shape: `(height, width, channels)`, or `(neurons,)`. See `to_spikes`.
        steps: time steps of the result.
        dt: milliseconds per step. Give the neurons the same: `SRM(dt=...)`. `check_time_step`
            compares them.
        batch_size: samples per batch.
        fit: brings recordings of another size, or of different sizes, to `sensor_shape`: "crop" or
            "scale", see `fit_frame`. None: they have that size, and events outside are an error.
        source_shape: `(height, width)` of the recordings; None takes each recording's own extent.
        shuffle: True shuffles over the whole data set, a number over a buffer of that many
            samples. The order differs from epoch to epoch.
        shift: each sample is moved by up to this many pixels in x and in y (see `random_shift`),
            differently in every epoch.
        rotate, zoom: each sample is turned about the centre by up to this many degrees, and
            scaled by 1 - zoom .. 1 + zoom; pixels are rounded to the nearest.
        cache: keep the binned events in memory after the first epoch.
        seed: makes order and shifts reproducible: two pipelines with the same seed give the same
            first epoch, the same second epoch, and so on. None takes `tf.random.set_seed`'s,
            which `keras.utils.set_random_seed` sets.
        drop_remainder: drop the last batch where it is smaller.
        origin: the time at which the first step begins, "auto", "zero" or "first". See
            `to_spikes`.
        late: what happens to events past the last step: "drop", "ignore" or "error". "drop" warns
            once, of the first recording found that loses most of its events.
        dtype: of the spikes; "uint8" takes a fourth of the memory, for a model whose
            `keras.Input` has that dtype too.

    Returns:
        A `tf.data.Dataset` of `(spikes, labels)`, spikes `(batch, steps, *sensor_shape)`; its
        length is known if the length of `dataset` is. Its attribute `dt` is that of the arguments
        (what `take`, `map` and the like make of the data set has none).

    Warns:
        EventTimeWarning: while it runs, of a recording most of whose events are past the last
            step: its number in `dataset`, and its label if that is one value.

    Raises:
        ValueError: an argument that is not allowed, elements that are not such pairs, or a batch
            that is larger than the memory of this machine.
    """
    sensor_shape = binning.check_binning(sensor_shape, steps, dt, late)
    times.check_origin(origin)
    augment.check_max_shift(shift, "shift")
    augment.check_affine(rotate, zoom, sensor_shape)
    if fit is not None:
        check_fit(sensor_shape, fit, source_shape)
    elif source_shape is not None:
        raise ValueError(
            f"`source_shape` needs `fit`. Received: source_shape={source_shape} with fit=None"
        )
    _check_elements(dataset, sensor_shape)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(
            f"`batch_size` must be a positive integer. Received: batch_size={batch_size}"
        )
    dtype = _check_dtype(dtype)
    shape = (steps, *sensor_shape)
    _check_memory(shape, batch_size, dtype)
    # Numbers of bins fit 4 bytes unless the tensor of one sample has 2^31 values.
    packed_dtype = tf.int32 if math.prod(shape) < 2**31 else tf.int64
    lost = times.LostEvents(steps, dt, origin)

    def pack(index, element):
        events, label = element
        events = {name: tf.ensure_shape(field, [None]) for name, field in events.items()}
        # Before events are cropped: the frame begins with the recording, whatever is cut off it.
        events["t"] = times.from_origin(events["t"], steps, dt, origin)
        if late == "drop":
            lost.watch(events["t"], _describe, [index, *_single_value(label)])
        if fit is not None:
            events = fit_frame(events, sensor_shape, fit, source_shape=source_shape)
        return binning.distinct_bins(events, sensor_shape, steps, dt, late, packed_dtype), label

    def densify(bins, labels, batch_seed=None):
        shifts, batch = None, tf.shape(bins)[0]
        if rotate or zoom:
            maps = augment.draw_affine(shift, rotate, zoom, batch, sensor_shape, [batch_seed, 0])
            bins = augment.transform_bins(bins, maps, sensor_shape)
        elif shift:
            shifts = augment.draw_shifts(shift, batch, sensor_shape, [batch_seed, 0])
        spikes = scatter.scatter_bins(bins, shape, dtype, shifts)
        return tf.ensure_shape(spikes, (batch_size if drop_remainder else None, *shape)), labels

    dataset = dataset.enumerate().map(pack, num_parallel_calls=tf.data.AUTOTUNE)
    if cache:
        size = int(dataset.cardinality())
        if size >= 0:
            # An iterator that is abandoned may end its input early. The cache would take that
            # for the end of the data; with the number asserted, it is not completed.
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
        dataset = dataset.cache()
    if shuffle is not False:
        dataset = dataset.shuffle(_buffer_size(dataset, shuffle), seed=seed)
    padding = tf.constant(-1, packed_dtype)
    nothing = tf.nest.map_structure(lambda _: None, dataset.element_spec[1])
    dataset = dataset.padded_batch(
        batch_size, padding_values=(padding, nothing), drop_remainder=drop_remainder
    )
    if shift or rotate or zoom:
        seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
        dataset = tf.data.Dataset.zip(dataset, seeds)
        dataset = dataset.map(
            lambda element, batch_seed: densify(*element, batch_seed),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    else:
        dataset = dataset.map(densify, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.prefetch(_PREFETCH_BATCHES)
    dataset.dt = float(dt)
    return dataset


def _single_value(label) -> list:
    """The label as a list of one scalar; empty where labels are more than that."""
    values = tf.nest.flatten(label)
    return values if len(values) == 1 and values[0].shape.rank == 0 else []


def _describe(row, index, label=None) -> str:
    if label is None:
        return f"Recording {index} of the data set"
    label = label.decode(errors="replace") if isinstance(label, bytes) else label
    return f"Recording {index} of the data set (label {label})"


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


def _check_elements(dataset, sensor_shape) -> None:
    spec = dataset.element_spec
    needed = {"x", "t"} if len(sensor_shape) == 1 else {"x", "y", "t"}
    if len(sensor_shape) == 3 and sensor_shape[-1] > 1:
        needed.add("polarity")
    pair = isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[0], dict)
    if not pair or not needed <= spec[0].keys():
        raise ValueError(
            f"`dataset` must give pairs (events, label), events a mapping with {sorted(needed)} "
            f"(tfds.load(..., as_supervised=True)). Received: dataset.element_spec={spec}"
        )
    times.check_unit(spec[0]["t"].dtype)
    for label in tf.nest.flatten(spec[1]):
        if not isinstance(label, tf.TensorSpec) or not label.shape.is_fully_defined():
            raise ValueError(
                "Labels must be tensors of one known shape, because they are batched as they are; "
                "tf.ensure_shape sets it. Received: "
                f"dataset.element_spec[1]={spec[1]}"
            )


def _buffer_size(dataset, shuffle) -> int:
    if shuffle is not True:
        if not isinstance(shuffle, int) or shuffle < 1:
            raise ValueError(
                "`shuffle` must be True, False or a positive number of samples. "
                f"Received: shuffle={shuffle}"
            )
        return shuffle
    size = int(dataset.cardinality())
    if size < 0:
        raise ValueError(
            "`shuffle=True` needs a data set of known length; otherwise give the number of samples "
            f"to shuffle over. Received: dataset.cardinality()={size}"
        )
    return max(size, 1)
