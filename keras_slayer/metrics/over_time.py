"""How soon a network is right."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_slayer.measures import class_targets, shape_text, spikes_within
from keras_slayer.metrics.base import first_steps, winner


def accuracy_over_time(spikes, labels, *, inputs=None, readout: str = "first") -> np.ndarray:
    """Accuracy if the output is read after each step: how soon the network is right.

    Element k is the share of samples that are decided rightly by their output spikes up to and
    including step k. A sample whose outputs have not fired yet has no decision and counts as
    wrong, so the curve starts near 0.

    Args:
        spikes: output spikes `(samples, time, classes)`; further class axes are flattened.
        labels: integers `(samples,)` or `(samples, 1)`, or one-hot `(samples, classes)`.
        inputs: what the network saw, `(samples, time, ...)`: time then starts at each sample's
            first event, and the last decision holds where a recording ends early. A sample without
            events starts at its first step. None: time starts at the first step.
        readout: `"first"`: the class that fired first; `"count"`: the class that fired most so
            far. On a tie the lowest index.

    Returns:
        Array `(time,)`.

    Raises:
        ValueError: shapes that do not fit, no samples, or an unknown readout.
    """
    if readout not in ("first", "count"):
        raise ValueError(f"`readout` must be 'first' or 'count'. Received: readout={readout!r}")
    spikes = tf.convert_to_tensor(spikes)
    fired = tf.cast(spikes_within(spikes, None, 1.0) > 0, tf.int32)
    counts = tf.cumsum(fired, axis=1).numpy()
    samples, steps, _ = counts.shape
    if samples == 0 or steps == 0:
        raise ValueError(
            "accuracy_over_time needs a sample and a step at least. "
            f"Received: spikes.shape={shape_text(spikes.shape)}"
        )
    totals = tf.cast(counts[:, -1], tf.float32)
    truth = winner(class_targets(tf.convert_to_tensor(labels), totals, spikes.shape[2:])).numpy()
    if readout == "count":
        decisions = np.argmax(counts, axis=2)
    else:
        decisions = np.argmin(first_steps(fired).numpy(), axis=1)[:, np.newaxis]
    right = (decisions == truth[:, np.newaxis]) & np.any(counts > 0, axis=2)
    if inputs is not None:
        right = np.take_along_axis(right, _steps_after_first_event(inputs, samples, steps), axis=1)
    return right.mean(axis=0)


def _steps_after_first_event(inputs, samples: int, steps: int) -> np.ndarray:
    """Step k steps after each sample's first event, at most the last: (samples, steps)."""
    inputs = np.asarray(inputs)
    if inputs.ndim < 3 or inputs.shape[:2] != (samples, steps):
        raise ValueError(
            f"`inputs` must be spikes of shape ({samples}, {steps}, ...), as many samples and "
            f"steps as the output. Received: inputs.shape={inputs.shape}"
        )
    start = np.argmax(inputs.reshape(samples, steps, -1).any(axis=2), axis=1)
    return np.minimum(start[:, np.newaxis] + np.arange(steps), steps - 1)
