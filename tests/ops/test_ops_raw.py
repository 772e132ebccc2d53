"""What the raw native ops refuse, and that nothing crashes: they may be called by hand."""

import cases
import pytest
import tensorflow as tf
from raw_cases import BAD, CONV_GRADS, EVENTS, GOOD, NO_SERIES, first_tensor


def raw(name, inputs):
    inputs = dict(inputs)
    for key in ("params", "refractory", "weight", "pool_weight", "pool_params", "decay", "gain"):
        if key in inputs:
            inputs[key] = tf.constant(inputs[key], tf.float64)
    if name in CONV_GRADS:  # a list of at most one
        for key in EVENTS:
            if not isinstance(inputs[key], list):
                inputs[key] = [inputs[key]]
    return getattr(cases.native_ops(), f"keras_slayer_{name}")(**inputs)


@pytest.mark.parametrize("name", GOOD)
def test_raw_op_takes_what_is_right(name):
    raw(name, GOOD[name])


@pytest.mark.parametrize(
    ("name", "bad", "message"), BAD, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(BAD)]
)
def test_raw_op_refuses_what_is_wrong(name, bad, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        raw(name, {**GOOD[name], **bad})


# The kernel gradient has the shape of the kernel, the delay's that of the delay.
LIKE_SERIES = [
    n for n in GOOD if n not in NO_SERIES and not n.endswith(("kernel_grad", "delay_grad"))
]


@pytest.mark.parametrize("name", LIKE_SERIES)
def test_shape_functions_refuse_series_without_time_when_tracing(name):
    inputs = {**GOOD[name], first_tensor(name): tf.zeros([3])}
    with pytest.raises(ValueError, match="must be at least rank 2"):
        tf.function(lambda: raw(name, inputs)).get_concrete_function()
