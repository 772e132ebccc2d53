"""Whether a model in training answers no better than chance."""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf

from keras_slayer.losses import SpikeMaxLoss

# Deviations of sampling noise that an accuracy must exceed chance by.
NOISE = 2.0
# Samples per class but one. With fewer the noise is more than half of chance itself, and an
# accuracy says nothing.
FEWEST = 16
# How near to ln(classes) a loss is called the loss of chance.
NEAR = 0.03


def has_signs(model: keras.Model, logs: dict) -> bool:
    """Whether ``logs`` hold something that ``sign_of_chance`` can judge by."""
    return bool(_accuracies(logs)) or ("loss" in logs and _is_cross_entropy(model))


def sign_of_chance(model: keras.Model, logs: dict, classes: int, samples: int | None) -> str | None:
    """What shows in an epoch's logs that ``model`` is at chance; None where nothing does.

    An accuracy does that is at most::

        1 / C + 2 sqrt((1 / C) (1 - 1 / C) / N),    C classes, N samples of an epoch

    or 1.5 / C where N is not known. The best of several accuracies decides. Without an accuracy, a
    loss within 3 % of ln C does, if it is the cross-entropy of labels.
    """
    if classes < 2 or (samples is not None and samples < FEWEST * (classes - 1)):
        return None
    if accuracies := _accuracies(logs):
        chance = 1 / classes
        margin = 0.5 * chance
        if samples is not None:
            margin = NOISE * math.sqrt(chance * (1 - chance) / samples)
        best = max(accuracies, key=accuracies.get)
        value = accuracies[best]
        return f"{best} is {value:.3g} for {classes} classes" if value <= chance + margin else None
    if "loss" in logs and _is_cross_entropy(model):
        loss, uniform = float(logs["loss"]), math.log(classes)
        if abs(loss / uniform - 1) <= NEAR:
            return f"loss is {loss:.3g}, and ln({classes}) is {uniform:.3g}"
    return None


def samples_seen(model: keras.Model) -> int | None:
    """Samples that ``model`` has counted in this epoch; None where it does not count."""
    for metric in getattr(model, "metrics", ()):
        if metric.name == "loss" and hasattr(metric, "count"):
            return integer(metric.count) or None
    return None


def integer(variable) -> int:
    """The value of a variable, that of a distribution strategy too."""
    return int(tf.convert_to_tensor(variable))


def class_count(output) -> int:
    """Classes of an output ``(batch, time, classes...)`` or ``(batch, classes)``."""
    return math.prod(output.shape[2:] if output.ndim > 2 else output.shape[1:])


def _accuracies(logs: dict) -> dict[str, float]:
    """Logged accuracies, of training and validation, but for top-k ones: their chance is k / C."""
    names = [name for name in logs if "accuracy" in name or name in ("acc", "val_acc")]
    return {n: float(logs[n]) for n in names if "top_k" not in n and np.size(logs[n]) == 1}


def _is_cross_entropy(model: keras.Model) -> bool:
    loss = getattr(model, "loss", None)
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))
    return isinstance(loss, SpikeMaxLoss) or "categorical_crossentropy" in str(name)
