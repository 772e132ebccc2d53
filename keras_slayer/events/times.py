"""Times of events: their unit, where a frame begins, and recordings that miss the frame."""

import math
import threading
import warnings

import numpy as np
import tensorflow as tf

MICROSECONDS_PER_MS = 1000.0
ORIGINS = ("auto", "zero", "first")

_UNIT_HELP = (
    "Event times must be whole microseconds, of an integer type. From seconds: "
    "np.round(t * 1e6).astype(np.int64); from milliseconds: np.round(t * 1e3).astype(np.int64)."
)


# Events of a recording that all are in the first 64th of the frame have times of another unit:
# taken for microseconds, milliseconds fill a thousandth. Fewer than 32 may be there by chance, and
# a frame of fewer steps than 8 is a picture.
_CROWDED_EVENTS = 32
_CROWDED_PART = 64
_CROWDED_STEPS = 8


class EventTimeWarning(UserWarning):
    """The events of a recording do not fit the frame: most are outside, or all at its beginning.

    The message says what to change.
    """


def check_origin(origin) -> None:
    """ValueError unless `origin` is one that exists."""
    if origin not in ORIGINS:
        raise ValueError(f'`origin` must be "auto", "zero" or "first". Received: origin={origin!r}')


def check_unit(dtype) -> None:
    """ValueError for times of a floating-point type: those are seconds or milliseconds."""
    if tf.as_dtype(dtype).is_floating:
        raise ValueError(f"{_UNIT_HELP} Received: t of dtype {tf.as_dtype(dtype).name}")


def steps_of(t, dt: float) -> tf.Tensor:
    """int64: the step, floor(t / (1000 dt)), of times in microseconds."""
    # In float64, as NumPy does it: both round the same way for any dt.
    return tf.cast(tf.floor(tf.cast(t, tf.float64) / (MICROSECONDS_PER_MS * dt)), tf.int64)


def frame_end(steps: int, dt: float) -> int:
    """The first whole microsecond that is past the last step."""
    end = math.ceil(steps * MICROSECONDS_PER_MS * dt)
    # The step of a time is rounded in `steps_of`: at most the neighbours are concerned.
    while (end - 1) / (MICROSECONDS_PER_MS * dt) >= steps:
        end -= 1
    while end / (MICROSECONDS_PER_MS * dt) < steps:
        end += 1
    return end


def _past_the_frame(t, steps: int, dt: float) -> tf.Tensor:
    """Where `steps_of(t) >= steps`, in fewer ops."""
    end = frame_end(steps, dt)
    return t >= tf.constant(end, t.dtype) if end <= t.dtype.max else tf.zeros_like(t, tf.bool)


def from_origin(t, steps: int, dt: float, origin: str):
    """Times counted from where the frame begins.

    Args:
        t: integers, microseconds: a vector, a padded tensor `(batch, n)` whose padding is
            negative, or a RaggedTensor `(batch, None)`.
        origin: "zero" leaves the times as they are. "first" counts from the first event of each
            recording. "auto" does so where the first event lies beyond the frame.

    Returns:
        Times of the same shape; padding stays negative.
    """
    if origin == "zero":
        return t
    flat = _integers(t.values if isinstance(t, tf.RaggedTensor) else t)
    real = flat >= 0
    known = tf.where(real, flat, flat.dtype.max)
    if isinstance(t, tf.RaggedTensor):
        rows = t.value_rowids()
        first = tf.gather(tf.math.unsorted_segment_min(known, rows, t.nrows()), rows)
    else:
        first = tf.reduce_min(known, axis=-1, keepdims=True)
    beyond = _past_the_frame(first, steps, dt) if origin == "auto" else tf.ones_like(first, tf.bool)

    def counted():
        # Padding is left alone: a large negative number less the origin would wrap around.
        return tf.where(real & beyond, flat - first, flat)

    flat = tf.cond(tf.reduce_any(beyond), counted, lambda: flat)
    return t.with_values(flat) if isinstance(t, tf.RaggedTensor) else flat


def from_origin_numpy(t: np.ndarray, steps: int, dt: float, origin: str) -> np.ndarray:
    """As `from_origin`, for the times of one recording, none of them negative."""
    if origin == "zero" or not t.size:
        return t
    first = t.min()
    return t - first if origin == "first" or first >= frame_end(steps, dt) else t


def count_lost(t, steps: int, dt: float):
    """`(lost, events)`: how many events of each recording are past the last step, and how many
    there are; int32, `()` for a vector and `(batch,)` otherwise."""
    flat = t.values if isinstance(t, tf.RaggedTensor) else t
    counts = (tf.cast(of, tf.int32) for of in (_past_the_frame(flat, steps, dt), flat >= 0))
    if isinstance(t, tf.RaggedTensor):
        rows, size = t.value_rowids(), t.nrows()
        return tuple(tf.math.unsorted_segment_sum(count, rows, size) for count in counts)
    return tuple(tf.reduce_sum(count, axis=-1) for count in counts)


def last_of(t) -> tf.Tensor:
    """int64 `()` or `(batch,)`: the time of the last event of each recording, negative if none."""
    t = tf.cast(t, tf.int64)
    if isinstance(t, tf.RaggedTensor):
        return tf.math.unsorted_segment_max(t.values, t.value_rowids(), t.nrows())
    return tf.reduce_max(t, axis=-1)


class LostEvents:
    """Warns, once, of a recording most of whose events fall outside the frame, or all of whose
    events are at its very beginning.

    A pipeline has one such object, and so has a graph: a data set in the wrong unit gives one
    warning and not one per recording.
    """

    def __init__(self, steps: int, dt: float, origin: str):
        self._steps, self._dt, self._origin = steps, dt, origin
        self._crowded_until = frame_end(steps, dt) // _CROWDED_PART * (steps >= _CROWDED_STEPS)
        self._lock = threading.Lock()
        self._warned = False

    def check(self, name: str, lost: int, events: int, stacklevel: int = 2) -> None:
        """Warns if more than half of the events are lost."""
        if 2 * lost <= events:
            return
        first = "" if self._origin == "first" else ', origin="first"'
        self._warn_once(
            f"{name}: {lost:,} of {events:,} events fall outside the frame of {self._steps} steps "
            f"of {self._dt} ms and are dropped. Times must be whole microseconds: divide "
            f"nanoseconds by 1000. If they are, use more steps, a larger dt{first}, or "
            'late="ignore" to drop them without this warning.',
            stacklevel + 1,
        )

    def check_crowded(self, name: str, events: int, last: int, stacklevel: int = 2) -> None:
        """Warns if all events, the last one at `last` us, are at the beginning of the frame."""
        if events < _CROWDED_EVENTS or last >= self._crowded_until:
            return
        self._warn_once(
            f"{name}: all {events:,} events are in the first {(last + 1) / MICROSECONDS_PER_MS:g} "
            f"ms of the frame of {self._steps} steps of {self._dt} ms. Times must be whole "
            "microseconds: multiply milliseconds by 1000. If they are, use a smaller dt, which is "
            'in milliseconds, or fewer steps, or late="ignore" to do without this warning.',
            stacklevel + 1,
        )

    def check_recording(self, name: str, t: np.ndarray, stacklevel: int = 2) -> None:
        """Both checks, of the times of `from_origin_numpy`."""
        if t.size:
            lost = np.count_nonzero(t >= frame_end(self._steps, self._dt))
            self.check(name, lost, t.size, stacklevel + 1)
            self.check_crowded(name, t.size, t.max(), stacklevel + 1)

    def _warn_once(self, message: str, stacklevel: int) -> None:
        with self._lock:  # tf.data calls from several threads
            if self._warned:
                return
            self._warned = True
        warnings.warn(message, EventTimeWarning, stacklevel=stacklevel + 1)

    def watch(self, t, describe, details=()) -> tf.Tensor:
        """Checks the times of `from_origin`, in eager mode or as part of a graph.

        Args:
            t: as `from_origin` returns them.
            describe: function that names a recording, of its row (0 for a vector) and the values
                of `details`.
            details: tensors that `describe` is given.

        Returns:
            A bool: whether there was something to warn of. In a graph, TensorFlow's automatic
            control dependencies run the check.
        """
        lost, events = (tf.reshape(n, [-1]) for n in count_lost(t, self._steps, self._dt))
        late = self.watch_counts(lost, events, describe, details)
        return late | self._watch_crowded(t, events, describe, details)

    def watch_crowded(self, t, describe, details=()) -> tf.Tensor:
        """As `watch`, of recordings whose events all are at the beginning of the frame."""
        _, events = count_lost(t, self._steps, self._dt)
        return self._watch_crowded(t, tf.reshape(events, [-1]), describe, details)

    def _watch_crowded(self, t, events, describe, details) -> tf.Tensor:
        last = tf.reshape(last_of(t), [-1])
        crowded = (events >= _CROWDED_EVENTS) & (last < self._crowded_until)

        def tell(row, events, last, *values):
            self.check_crowded(describe(int(row), *values), int(events), int(last))
            return np.True_

        def warn():
            row = tf.argmax(tf.cast(crowded, tf.int32))
            arguments = [row, events[row], last[row], *details]
            return tf.ensure_shape(tf.numpy_function(tell, arguments, tf.bool), [])

        return tf.cond(tf.reduce_any(crowded), warn, lambda: tf.constant(False))

    def watch_counts(self, lost, events, describe, details=()) -> tf.Tensor:
        """As `watch`, of the counts of events of each recording, int32 `(batch,)`: those past the
        last step, and all."""

        def tell(row, lost, events, *values):
            self.check(describe(int(row), *values), int(lost), int(events))
            return np.True_

        def warn():
            worst = tf.argmax(2 * lost - events)
            arguments = [worst, lost[worst], events[worst], *details]
            return tf.ensure_shape(tf.numpy_function(tell, arguments, tf.bool), [])

        return tf.cond(tf.reduce_any(2 * lost > events), warn, lambda: tf.constant(False))


def _integers(t) -> tf.Tensor:
    """As int32 or int64, for which TensorFlow has all ops."""
    t = tf.convert_to_tensor(t)
    return t if t.dtype in (tf.int32, tf.int64) else tf.cast(t, tf.int64)
