"""What a pipeline keeps of a recording, and how it makes spikes of that: two ways.

`Binned` keeps the numbers of occupied bins, `Raw` the events. Both have two methods: `pack` takes
the number of a recording and the recording; `dense` takes what `pack` gave, of a batch, and a seed.
"""

import dataclasses

import tensorflow as tf

from keras_slayer.events import augment, binning, packing, scatter, times
from keras_slayer.events import values as bin_values
from keras_slayer.events.frame import fit_frame
from keras_slayer.events.transforms import Sequential, Transform
from keras_slayer.events.transforms.geometry import ShiftRotateZoom


@dataclasses.dataclass(frozen=True)
class Frame:
    """Arguments of `spike_pipeline` that both ways need."""

    sensor_shape: tuple[int, ...]
    steps: int
    dt: float
    origin: str
    late: str
    fit: str | None
    source_shape: tuple[int, ...] | None
    dtype: tf.DType

    def read(self, events) -> dict:
        """One recording, its times counted from where the first step begins."""
        events = {name: tf.ensure_shape(field, [None]) for name, field in events.items()}
        # Before they are fitted: the frame begins with the recording, whatever is cut off it.
        events["t"] = times.from_origin(events["t"], self.steps, self.dt, self.origin)
        return events

    def fitted(self, events) -> dict:
        """The events of `read`, brought to the size of the frame."""
        if self.fit is None:
            return events
        return fit_frame(events, self.sensor_shape, self.fit, source_shape=self.source_shape)


@dataclasses.dataclass(frozen=True)
class Binned:
    """Keeps the numbers of bins that have events, 4 bytes each.

    Args:
        shift, rotate, zoom: of `spike_pipeline`.
        describe: names a recording, for `lost`.
    """

    frame: Frame
    shift: int
    rotate: float
    zoom: float
    lost: times.LostEvents
    describe: object

    @property
    def random(self) -> bool:
        return bool(self.shift or self.rotate or self.zoom)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.frame.steps, *self.frame.sensor_shape)

    def pack(self, index, element):
        events, label = element
        frame, events = self.frame, self.frame.read(events)
        if frame.late == "drop":
            self.lost.watch(events["t"], self.describe, [index, *single_value(label)])
        dtype = scatter.index_dtype(self.shape)
        places = (frame.sensor_shape, frame.steps, frame.dt, frame.late, dtype)
        return binning.distinct_bins(frame.fitted(events), *places), label

    def dense(self, bins, labels, seed=None):
        shifts, batch, sensor = None, tf.shape(bins)[0], self.frame.sensor_shape
        if self.rotate or self.zoom:
            ranges = (self.shift, self.rotate, self.zoom)
            maps = augment.draw_affine(*ranges, batch, sensor, [seed, 0])
            bins = augment.transform_bins(bins, maps, sensor)
        elif self.shift:
            shifts = augment.draw_shifts(self.shift, batch, sensor, [seed, 0])
        return scatter.scatter_bins(bins, self.shape, self.frame.dtype, shifts), labels


@dataclasses.dataclass(frozen=True)
class Raw:
    """Keeps the events, 8 bytes each; see `packing`.

    Args:
        before: the sensor before the transform.
        transform, values, tau: of `spike_pipeline`.
        classes: for transforms that mix labels.
        describe: names a recording, for `lost`.
    """

    frame: Frame
    before: tuple[int, ...]
    transform: Transform
    values: str
    tau: float
    classes: int | None
    lost: times.LostEvents
    describe: object

    random = True

    def pack(self, index, element):
        events, label = element
        events = self.frame.read(events)
        if self.frame.late == "drop":  # late events: after the transform
            self.lost.watch_crowded(events["t"], self.describe, [index, *single_value(label)])
        events = self.frame.fitted(events)
        return packing.pack(events, self.before), index, label

    def dense(self, packed, index, labels, seed):
        frame = self.frame
        soft = self._soft(labels) if self.transform.mixes_labels else None
        batch = packing.unpack(packed, self.before, soft)
        batch = self.transform.apply(batch, self.before, tf.stack([seed, 0]))
        bins, *counts = binning.batch_bins(
            batch, frame.sensor_shape, frame.steps, frame.dt, frame.late
        )
        if frame.late == "drop":
            details = [index, *single_value(labels, 1)]
            self.lost.watch_counts(
                *counts, lambda row, *of: self.describe(0, *(v[row] for v in of)), details
            )
        shape = (frame.steps, *frame.sensor_shape)
        if self.values == "binary":
            spikes = scatter.scatter_bins(bins, shape, frame.dtype)
        else:
            spikes = bin_values.dense(
                self.values, bins, batch.t, batch.polarity, shape, frame.dt, self.tau, frame.dtype
            )
        return spikes, labels if soft is None else batch.labels

    def _soft(self, labels) -> tf.Tensor:
        """Class numbers as vectors of float32."""
        if labels.dtype.is_integer:
            return tf.one_hot(labels, self.classes, dtype=tf.float32)
        return tf.cast(labels, tf.float32)


def with_shift(transform: Transform, shift, rotate, zoom) -> Transform:
    """`transform`, followed by what these arguments of `spike_pipeline` ask for."""
    if shift or rotate or zoom:
        return Sequential((transform, ShiftRotateZoom(shift, rotate, zoom)))
    return transform


def check_labels(transform: Transform, label_spec, class_names) -> int | None:
    """The number of classes of a transform that mixes labels; None for others.

    Raises:
        ValueError: the number is not known, or the labels are no class numbers or vectors.
    """
    if not transform.mixes_labels:
        return None
    classes = transform.num_classes
    specs = tf.nest.flatten(label_spec)
    vectors = len(specs) == 1 and specs[0].shape.rank == 1 and specs[0].dtype.is_floating
    numbers = len(specs) == 1 and specs[0].shape.rank == 0 and specs[0].dtype.is_integer
    if classes is None and class_names is not None:
        classes = len(class_names)
    if classes is None and numbers:
        raise ValueError(
            "Labels that are mixed become vectors: give the number of classes, as in "
            "Mix(num_classes=10). Received: transforms with num_classes=None"
        )
    if not numbers and not (vectors and classes in (None, specs[0].shape[0])):
        raise ValueError(
            "Labels that are mixed must be class numbers, or vectors of floats with an entry per "
            f"class. Received: dataset.element_spec[1]={label_spec} with num_classes={classes}"
        )
    return classes


def single_value(label, rank: int = 0) -> list:
    """The label as a list of one tensor of this rank; empty where labels are more than that."""
    found = tf.nest.flatten(label)
    return found if len(found) == 1 and found[0].shape.rank == rank else []
