"""Events to dense spike tensors and back.

An event at time t (microseconds from the origin) falls into the step floor(t / (1000 dt)). What a
bin of the tensor holds of its events is the choice of `values`.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_slayer.events import times
from keras_slayer.events import values as bin_values
from keras_slayer.events.scatter import image_shape, index_dtype, scatter_bins
from keras_slayer.events.sensor import (
    check_fields,
    check_on_sensor,
    check_sensor_shape,
    is_count,
    on_sensor_checks,
    places,
)
from keras_slayer.events.stream import Events
from keras_slayer.events.times import MICROSECONDS_PER_MS
from keras_slayer.ops import library

LATE_CHOICES = ("drop", "ignore", "error")


def to_spikes(
    events: Events | Mapping,
    sensor_shape: Sequence[int] = (34, 34, 2),
    steps: int = 300,
    dt: float = 1.0,
    *,
    origin: str = "auto",
    late: str = "drop",
    values: str = "binary",
    tau: float = 20.0,
    dtype: str | tf.DType = "float32",
) -> np.ndarray | tf.Tensor:
    """Turns events into a dense tensor of spikes.

    Args:
        events: one recording as `Events`, or as a mapping of NumPy arrays `x`, `y`, `t` and
            `polarity`: the result is a NumPy array. Or a mapping of tensors: vectors (one
            recording), RaggedTensors `(batch, None)`, or padded tensors `(batch, n)` whose
            padding has t < 0: the result is a tensor, in eager and in graph mode. Times are whole
            microseconds, of an integer type.
        sensor_shape: `(height, width, channels)`, or `(neurons,)`: then `x` is the neuron, and
            `y` and `polarity` are ignored. With one channel, all polarities share it.
        steps: time steps of the result.
        dt: milliseconds per step.
        origin: the time at which the first step begins: "zero" is time 0, "first" each
            recording's first event. "auto" is the first event where that lies past the last step
            (times since 1970, or since the camera was switched on), and 0 elsewhere.
        late: what happens to events past the last step: "drop" (recordings differ in length by a
            few milliseconds), "ignore" or "error". "drop" warns where most events of a recording
            are lost. In a graph the warning is given once, and by a call into Python: use "ignore"
            in a graph that is saved for another process.
        values: what a bin holds::

                "binary"    1 where one or more events fall into it, and 0 elsewhere
                "count"     the number of its events, at most the largest of `dtype`
                "signed"    the number of ON events less that of OFF events, in one channel
                "surface"   exp(-(end - t_last) / tau): the end of the step, and the last event of
                            the pixel and polarity up to there; 0 before the first (Lagorce et al.,
                            "HOTS", 2017)

        tau: ms, of "surface".
        dtype: of the result: of fractions for "surface", of numbers below 0 for "signed".

    Returns:
        Array or tensor `(steps, *sensor_shape)`, with a leading batch dimension where `events`
        have one; with one channel for "signed".

    Warns:
        EventTimeWarning: most events of a recording are past the last step, or all are in the
            first 64th of the frame, and `late="drop"`.

    Raises:
        ValueError: a wrong argument, or times of a floating-point type; and, for NumPy events, an
            event off the sensor, at a negative time, or late while `late="error"`.
        tf.errors.InvalidArgumentError: the same, for tensors.
    """
    sensor_shape = check_binning(sensor_shape, steps, dt, late)
    times.check_origin(origin)
    bin_values.check_values(values, tau, sensor_shape, dtype)
    if not isinstance(events, Events):
        check_fields(events, sensor_shape)
        if any(tf.is_tensor(value) for value in events.values()):
            placed = (sensor_shape, steps, dt, origin, late)
            return _to_spikes_tensor(events, *placed, values, tau, dtype)
        events = Events.from_dict(events)
    return _to_spikes_numpy(events, sensor_shape, steps, dt, origin, late, values, tau, dtype)


def from_spikes(spikes: np.ndarray, dt: float = 1.0) -> Events:
    """Turns a dense tensor of spikes into events: the inverse of `to_spikes`.

    Args:
        spikes: `(time, height, width, channels)` or `(time, neurons)` of zeros and ones.
        dt: milliseconds per step.

    Returns:
        `Events` in order of time, each at the first microsecond of its step.

    Raises:
        ValueError: values other than 0 and 1, or a wrong rank.
    """
    spikes = np.asarray(spikes)
    if spikes.ndim not in (2, 4):
        raise ValueError(
            "`spikes` must be (time, height, width, channels) or (time, neurons). "
            f"Received: spikes.shape={spikes.shape}"
        )
    check_binning(spikes.shape[1:], max(len(spikes), 1), dt, "drop")
    fired = spikes != 0
    if not (spikes[fired] == 1).all():
        value = spikes[fired & (spikes != 1)][0]
        raise ValueError(f"`spikes` must be 0 or 1 everywhere. Received: a value of {value}")
    step, *place = np.nonzero(fired)
    t = np.ceil(step * (MICROSECONDS_PER_MS * dt)).astype(np.int64)
    if spikes.ndim == 2:
        return Events(x=place[0], t=t)
    y, x, polarity = place
    return Events(x=x, y=y, t=t, polarity=polarity)


def check_binning(sensor_shape, steps, dt, late) -> tuple[int, ...]:
    """Checks the arguments that binning functions share; returns `sensor_shape` as a tuple."""
    sensor_shape = check_sensor_shape(sensor_shape)
    if not is_count(steps):
        raise ValueError(f"`steps` must be a positive integer. Received: steps={steps}")
    if not (math.isfinite(dt) and dt * MICROSECONDS_PER_MS >= 1):
        raise ValueError(
            f"`dt` must be at least 0.001 ms, the resolution of event times. Received: dt={dt}"
        )
    if late not in LATE_CHOICES:
        raise ValueError(f'`late` must be "drop", "ignore" or "error". Received: late={late!r}')
    return sensor_shape


def distinct_bins(events, sensor_shape, steps, dt, late, dtype) -> tf.Tensor:
    """The numbers of the bins, in the flattened tensor `(steps, *sensor_shape)`, that have events.

    Args:
        events: mapping of vectors, one recording; padding has t < 0.
        dtype: int32 or int64, of the result.

    Returns:
        A vector, ascending.

    Raises:
        tf.errors.InvalidArgumentError: an event off the sensor, or late while `late="error"`.
    """
    native = library.native()
    if native is None:
        bins = flat_bins(events, sensor_shape, steps, dt, late)
        return tf.unique(tf.sort(tf.cast(tf.boolean_mask(bins, bins >= 0), dtype))).y
    names, limits, strides = zip(*places(sensor_shape), strict=True)
    return native.keras_slayer_bin_events(
        t=_readable(events["t"]),
        step_length=tf.constant(MICROSECONDS_PER_MS * dt, tf.float64),
        places=[_readable(events[name]) for name in names],
        steps=steps,
        limits=limits,
        strides=strides,
        names=names,
        late="error" if late == "error" else "drop",
        Index=dtype,
    )


def _readable(field) -> tf.Tensor:
    """As one of the types that the native op reads."""
    field = tf.convert_to_tensor(field)
    if field.dtype in (tf.float16, tf.bfloat16):
        return tf.cast(field, tf.float32)
    return tf.cast(field, tf.int64) if field.dtype == tf.uint64 else field


def flat_bins(events, sensor_shape, steps, dt, late):
    """The number of the bin of each event in the flattened tensor `(steps, *sensor_shape)`.

    Args:
        events: mapping of tensors of one shape.

    Returns:
        int64 numbers; -1 for events that have none: those late, and padding.
    """
    t = tf.convert_to_tensor(events["t"])
    step = times.steps_of(t, dt)
    real, bins = t >= 0, step * math.prod(sensor_shape)
    for name, _, stride in places(sensor_shape):
        bins += tf.cast(events[name], tf.int64) * stride
    checks = on_sensor_checks(events, sensor_shape, real)
    if late == "error":
        checks.append(
            tf.debugging.Assert(
                tf.reduce_all(step < steps),
                [f"An event is past the last of {steps} steps of {dt} ms; latest time in us:",
                 tf.reduce_max(t)],
            )
        )  # fmt: skip
    with tf.control_dependencies([check for check in checks if check is not None]):
        return tf.where(real & (step < steps), bins, tf.constant(-1, tf.int64))


def batch_bins(batch, sensor_shape, steps, dt, late):
    """As `flat_bins`, for an `EventBatch`, with what `times.count_lost` counts.

    Returns:
        `(bins, lost, events)`: int32 or int64 numbers `(batch, n)`, -1 for events that have none;
        and int32 `(batch,)`, how many events are past the last step, and how many there are.
    """
    native = batch.native()
    if native is not None:
        return native.keras_slayer_event_bins(
            x=batch.x,
            y=batch.y,
            polarity=batch.polarity,
            t=batch.t,
            kept=batch.kept,
            step_length=tf.constant(MICROSECONDS_PER_MS * dt, tf.float64),
            steps=steps,
            frame=image_shape(sensor_shape),
            image=len(sensor_shape) == 3,
            late_is_error=late == "error",
            Index=index_dtype((steps, *sensor_shape)),
        )
    t = tf.where(batch.kept, batch.t, -1)  # events that were dropped become padding
    fields = {"x": batch.x, "y": batch.y, "t": t, "polarity": batch.polarity}
    bins = flat_bins(fields, sensor_shape, steps, dt, late)
    return bins, *times.count_lost(t, steps, dt)


def _to_spikes_numpy(events, sensor_shape, steps, dt, origin, late, values, tau, dtype):
    if len(events) and events.t.min() < 0:
        raise ValueError(f"Event times must not be negative. Received: t={events.t.min()} us")
    check_on_sensor(events, sensor_shape)
    t = times.from_origin_numpy(events.t, steps, dt, origin)
    step = np.floor(t / (MICROSECONDS_PER_MS * dt)).astype(np.int64)
    keep = step < steps
    if late == "drop":
        times.LostEvents(steps, dt, origin).check_recording("The recording", t, stacklevel=3)
    if late == "error" and not keep.all():
        raise ValueError(
            f"An event is past the last of {steps} steps of {dt} ms. "
            f"Received: t={events.t.max()} us"
        )
    index = [step, events.x]
    if len(sensor_shape) == 3:
        one_channel = sensor_shape[2] == 1
        index = [step, events.y, events.x, 0 * step if one_channel else events.polarity]
    index = tuple(i[keep] for i in index)
    kept, shape = (t[keep], events.polarity[keep]), (steps, *sensor_shape)
    dtype = tf.as_dtype(dtype).as_numpy_dtype
    return bin_values.dense_numpy(values, index, *kept, shape, dt, tau, dtype)


def _to_spikes_tensor(events, sensor_shape, steps, dt, origin, late, values, tau, dtype):
    t = events["t"]
    shape = (steps, *sensor_shape)
    static_batch = t.shape[:-1]
    single = t.shape.rank == 1
    if t.shape.rank not in (1, 2):
        raise ValueError(
            "Event tensors must be vectors, RaggedTensors or padded (batch, n). "
            f"Received: t.shape={t.shape}"
        )
    times.check_unit(t.dtype)
    t = times.from_origin(t, steps, dt, origin)
    if late == "drop":
        name = "The recording" if single else "Recording {} of the batch"
        times.LostEvents(steps, dt, origin).watch(t, name.format)
    events = {**events, "t": t}
    if isinstance(t, tf.RaggedTensor):
        flat = {name: value.values for name, value in events.items()}
        bins = t.with_values(flat_bins(flat, sensor_shape, steps, dt, late)).to_tensor(-1)
    else:
        bins = flat_bins(events, sensor_shape, steps, dt, late)
    bins = bins[tf.newaxis] if single else bins
    if values == "binary":
        spikes = scatter_bins(bins, shape, dtype)
    else:
        t, polarity = (_padded(events.get(name)) for name in ("t", "polarity"))
        spikes = bin_values.dense(values, bins, t, polarity, shape, dt, tau, dtype)
        shape = (steps, *spikes.shape[2:])
    return tf.ensure_shape(spikes[0] if single else spikes, (*static_batch, *shape))


def _padded(field) -> tf.Tensor | None:
    """Integers `(batch, n)`."""
    if field is None:
        return None
    field = field.to_tensor() if isinstance(field, tf.RaggedTensor) else tf.convert_to_tensor(field)
    field = field if field.dtype == tf.int64 else tf.cast(field, tf.int32)
    return field[tf.newaxis] if field.shape.rank == 1 else field
