"""Recordings of different sizes, brought to one frame."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from keras_slayer.events.stream import Events

FITS = ("crop", "scale")


def fit_frame(
    events: Events | Mapping,
    sensor_shape: Sequence[int],
    fit: str = "scale",
    *,
    source_shape: Sequence[int] | None = None,
) -> dict[str, tf.Tensor]:
    """Brings a recording to a frame of another size.

    With a source of H x W pixels and a frame of h x w, both centred on each other:

        "crop"    x <- x + (w - W) // 2: what lies outside of the frame is dropped, and a source
                  that is smaller leaves a margin
        "scale"   x <- floor(s x) + margin, s = min(h / H, w / W): all of the source is kept, and
                  the ratio of its sides; events of pixels that become one pixel stay apart in time

    and y likewise.

    Args:
        events: `Events`, or a mapping of `x`, `y` and any other fields, vectors `(n,)` of one
            recording; in eager and in graph mode.
        sensor_shape: `(height, width)` of the frame, or `(height, width, channels)`.
        fit: "crop" or "scale".
        source_shape: `(height, width)` of the source; None takes the recording's own extent,
            0 .. the largest x and y that occur (recordings of N-Caltech101 differ in size).

    Returns:
        A mapping of tensors of the same fields; `x` and `y` are int64.

    Raises:
        ValueError: an argument that is not allowed.
        tf.errors.InvalidArgumentError: an event outside of `source_shape`.
    """
    check_fit(sensor_shape, fit, source_shape)
    height, width = sensor_shape[:2]
    events = events.to_dict() if isinstance(events, Events) else events
    fields = {name: tf.convert_to_tensor(value) for name, value in events.items()}
    x, y = (tf.cast(fields[name], tf.int64) for name in ("x", "y"))
    if source_shape is None:
        # The maximum of no events is the lowest int64.
        source_height, source_width = (1 + tf.maximum(tf.reduce_max(v), 0) for v in (y, x))
    else:
        source_height, source_width = (tf.constant(n, tf.int64) for n in source_shape[:2])
        inside = (x >= 0) & (x < source_width) & (y >= 0) & (y < source_height)
        message = f"An event is outside of source_shape={tuple(source_shape)}"
        check = tf.debugging.Assert(tf.reduce_all(inside), [message])
        with tf.control_dependencies([check] if check is not None else []):
            x, y = tf.identity(x), tf.identity(y)

    if fit == "crop":
        fields["x"] = x + (width - source_width) // 2
        fields["y"] = y + (height - source_height) // 2
    else:
        # The scale is a fraction of integers, so that nothing is rounded but the result.
        by_width = width * source_height <= height * source_width
        above = tf.where(by_width, tf.constant(width, tf.int64), height)
        below = tf.where(by_width, source_width, source_height)
        for name, value, limit, source in (
            ("x", x, width, source_width),
            ("y", y, height, source_height),
        ):
            extent = -(-source * above // below)
            fields[name] = value * above // below + (limit - extent) // 2
    x, y = fields["x"], fields["y"]
    keep = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return {name: tf.boolean_mask(value, keep) for name, value in fields.items()}


def check_fit(sensor_shape, fit, source_shape) -> None:
    """ValueError unless the frame has an image and the choice exists."""
    if fit not in FITS:
        raise ValueError(f'`fit` must be "crop" or "scale". Received: fit={fit!r}')
    shapes = {"sensor_shape": sensor_shape}
    if source_shape is not None:
        shapes["source_shape"] = source_shape
    for name, shape in shapes.items():
        if len(shape) not in (2, 3) or not all(isinstance(n, int) and n > 0 for n in shape):
            raise ValueError(
                f"`fit` needs an image: `{name}` must be (height, width) or "
                f"(height, width, channels), positive integers. Received: {name}={tuple(shape)}"
            )
