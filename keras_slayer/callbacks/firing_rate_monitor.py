"""A callback that watches the firing rates of a model's layers."""

from __future__ import annotations

import warnings

import keras

from keras_slayer import checks
from keras_slayer.callbacks.causes import likely_cause, weights_not_finite
from keras_slayer.callbacks.chance import (
    class_count,
    has_signs,
    integer,
    samples_seen,
    sign_of_chance,
)
from keras_slayer.callbacks.steps import check_step, step_of
from keras_slayer.rates.advice import FiringRateWarning, advice
from keras_slayer.rates.measuring import is_empty, measure
from keras_slayer.watching import first_batch, layer_names

# Fewer training steps than this teach a model nothing yet.
FIRST_STEPS = 10
SEE = "See 'It does not learn' in the documentation."


class FiringRateMonitor(keras.callbacks.Callback):
    """Logs how much each layer fires, and warns of layers that are silent or saturated.

    After each epoch the model runs once, in inference mode, on a fixed batch; training itself is
    untouched. For each layer with spiking neurons the epoch's logs, and with them the progress
    bar, the history, TensorBoard and CSVLogger, get

    - ``rate/NAME``: spikes per neuron and step,
    - ``silent/NAME``: share of the neurons that never fired on the batch,
    - ``saturated/NAME``: share of the neurons that fired in more than ``saturation`` of the steps.

    Keras calls callbacks in their order: put it before ``TensorBoard``, ``CSVLogger`` and others
    that are to see its logs.

    A ``FiringRateWarning`` (once per layer and condition, first before the first epoch) says what
    to change. Where a layer fires nothing at all, only the first such layer is named: what follows
    it has nothing to fire at. Where the batch itself holds no spikes, or weights are not finite,
    that is said instead.

    After the first epoch of a ``fit`` (of short epochs, after the first 10 training steps) a
    ``FiringRateWarning`` says once if the model is at chance: if no accuracy in the logs, of C
    classes and N samples, is above ``1 / C + 2 sqrt((1 / C) (1 - 1 / C) / N)``; without one, if the
    loss is a cross-entropy (``SpikeMaxLoss``, Keras' own) within 3 % of ln C. It names the layer
    that is most likely to blame, and what to change. Models of several outputs, and data of fewer
    than 16 (C - 1) samples, are not judged.

    A ``TimeStepWarning`` says before the first epoch which neurons have another ``dt`` than ``x``,
    where ``x`` is what ``spike_pipeline`` returned (``keras_slayer.events.check_time_step``).

    Args:
        x: a batch as the model takes it, or a ``tf.data.Dataset`` or ``PyDataset``, whose first
            batch is taken (without its labels). Held-out data, some recordings of each class. Of a
            shuffled data set that is also trained on, taking a batch here moves the shuffling on.
        saturation: a neuron is saturated that fires in more than this share of the steps.
        warn_silent: warns where more than this share of a layer's neurons is silent.
        warn_saturated: warns where more than this share of a layer's neurons is saturated.

    Raises:
        ValueError: an argument off 0 to 1; an empty data set; at the start of training, a model
            without spiking neurons.

    Example:

    >>> monitor = keras_slayer.FiringRateMonitor(x_validation[:32])
    >>> history = model.fit(x, y, callbacks=[monitor, keras.callbacks.TensorBoard("logs")])
    >>> history.history["rate/spiking_dense"]
    """

    def __init__(
        self,
        x,
        saturation: float = 0.5,
        warn_silent: float = 0.9,
        warn_saturated: float = 0.5,
    ) -> None:
        super().__init__()
        self.x = first_batch(x)
        self._dt = step_of(x)
        self.saturation = checks.number(saturation, "saturation", high=1.0)
        self.warn_silent = checks.number(warn_silent, "warn_silent", high=1.0)
        self.warn_saturated = checks.number(warn_saturated, "warn_saturated", high=1.0)
        self._warned: set[tuple[str, str]] = set()
        self._starting = True
        self._judged = False
        self._samples: int | None = None

    def on_train_begin(self, logs=None):
        self._starting = True
        self._judged = False
        self._samples = None
        check_step(self.model, self._dt)

    def on_test_begin(self, logs=None):
        self._samples = samples_seen(self.model)  # validation starts the count anew

    def on_epoch_begin(self, epoch, logs=None):
        # Not in on_train_begin, where other callbacks may yet set weights.
        if self._starting:
            self._starting = False
            self._warn(self._measure(), trained=False)

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        measured = self._measure()
        names = layer_names(measured)
        for layer, rates in measured.items():
            for quantity, value in rates._asdict().items():
                logs[f"{quantity}/{names[layer]}"] = value
        trained = self._has_trained(epoch)
        self._warn(measured, trained)
        if not self._judged and trained:
            self._judged = True
            self._judge(epoch, logs, measured)

    def _has_trained(self, epoch: int) -> bool:
        steps = integer(getattr(self.model.optimizer, "iterations", FIRST_STEPS))
        return steps >= FIRST_STEPS or epoch + 1 == (self.params or {}).get("epochs")

    def _judge(self, epoch: int, logs: dict, measured) -> None:
        """Warns if the model is at chance."""
        if not has_signs(self.model, logs):
            return
        outputs = keras.tree.flatten(self.model(self.x, training=False))
        samples = self._samples or samples_seen(self.model)
        sign = sign_of_chance(self.model, logs, class_count(outputs[0]), samples)
        if len(outputs) == 1 and sign:
            limits = {"silent": self.warn_silent, "saturated": self.warn_saturated}
            cause = likely_cause(measured, outputs[0], limits, self._warned)
            message = f"after epoch {epoch + 1} the model is at chance: {sign}. {cause}. {SEE}"
            self._once("model", "chance", message)

    def _measure(self):
        return measure(self.model, self.x, self.saturation)

    def _warn(self, measured, trained: bool) -> None:
        """Warns of an empty batch, of saturated layers and, after some steps, of silent ones.

        Layers may start silent: those with the default weights do, and learn to fire.
        """
        if broken := weights_not_finite(self.model):
            self._once(
                "model",
                "diverged",
                f"{len(broken)} of the model's {len(self.model.weights)} weights are not finite "
                f"(the first: {broken[0]}). A neuron whose input is NaN fires nothing, so that the "
                "loss may stay finite. Build the model anew, "
                "with a lower learning_rate, or with clipnorm in the optimizer.",
            )
            return
        names = layer_names(measured)
        dead = is_empty(self.x)  # then a layer that fires nothing is not to blame
        if dead:
            self._once(
                "x",
                "empty",
                "the monitored batch holds no spikes: it is all zeros. Check that the recordings "
                "have events within the frame and the duration that were cut out of them.",
            )
        for layer, rates in measured.items():
            if rates.rate == 0:
                if trained and not dead:
                    self._tell(layer, names[layer], "silent", "it fires nothing")
                dead = True
            elif trained and rates.silent > self.warn_silent:
                what = f"{rates.silent:.0%} of its neurons never fire"
                self._tell(layer, names[layer], "silent", what)
            if rates.saturated > self.warn_saturated:
                what = (
                    f"{rates.saturated:.0%} of its neurons fire in more than "
                    f"{self.saturation:.0%} of the steps"
                )
                self._tell(layer, names[layer], "saturated", what)

    def _tell(self, layer, name: str, condition: str, what: str) -> None:
        silent = condition == "silent"
        fell = "; if it fired before, a lower learning rate" if silent else ""
        change = advice(layer, more=silent)
        message = f"{name}: {what} on the monitored batch. {change}{fell}."
        self._once(name, condition, message)

    def _once(self, name: str, condition: str, message: str) -> None:
        if (name, condition) not in self._warned:
            self._warned.add((name, condition))
            warnings.warn(message, FiringRateWarning, stacklevel=2)
