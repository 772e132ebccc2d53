"""A callback that sets the firing rates of a model's layers before training."""

from __future__ import annotations

import keras

from keras_slayer.callbacks.steps import check_step, step_of
from keras_slayer.rates.setting import SetRate, set_firing_rates
from keras_slayer.watching import first_batch


class SetFiringRates(keras.callbacks.Callback):
    """Sets each layer's firing rate on a batch before the first epoch (``set_firing_rates``).

    Also called ``RateInitializer``, its name before.

    It acts once, and only on a model that has not been trained yet: where the optimizer has taken
    a step (a second ``fit``, a model that was loaded to go on with) it does nothing.

    Args:
        x: as for ``FiringRateMonitor``; its time step is compared in the same way.
        rate, tolerance: as for ``set_firing_rates``.

    Attributes:
        rates: what ``set_firing_rates`` returned; None before, and where nothing was done.

    Raises:
        ValueError: at the start of training, as ``set_firing_rates``; an empty data set.
    """

    def __init__(self, x, rate: float | dict[str, float] = 0.05, tolerance: float = 0.05) -> None:
        super().__init__()
        self.x = first_batch(x)
        self._dt = step_of(x)
        self.rate, self.tolerance = rate, tolerance
        self.rates: dict[str, SetRate] | None = None

    def on_train_begin(self, logs=None):
        check_step(self.model, self._dt)
        if self.rates is None and self._is_new():
            self.rates = set_firing_rates(self.model, self.x, self.rate, tolerance=self.tolerance)

    def _is_new(self) -> bool:
        # Not int() of the variable: that of a distribution strategy has none.
        return int(keras.ops.convert_to_numpy(self.model.optimizer.iterations)) == 0


RateInitializer = SetFiringRates
