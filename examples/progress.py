"""What the examples print while they train, and how often they look at firing rates."""

import keras

import keras_slayer as ks


class Progress(keras.callbacks.Callback):
    """A line for each epoch: what Keras prints would be long, with the rates of all layers.

    Goes behind ``FiringRateMonitor``, whose logs it prints.
    """

    def on_epoch_end(self, epoch, logs=None):
        test = f", test {logs['val_accuracy']:.1%}" if "val_accuracy" in logs else ""
        rates = " ".join(f"{v:.3f}" for name, v in logs.items() if name.startswith("rate/"))
        print(
            f"epoch {epoch + 1}/{self.params['epochs']}: loss {logs['loss']:.3f}, accuracy "
            f"{logs['accuracy']:.1%}{test}, spikes per neuron and step of each layer {rates}",
            flush=True,
        )


class OccasionalMonitor(ks.FiringRateMonitor):
    """Firing rates every so many epochs, and not before training: silence is then no fault.

    For where an epoch takes no longer than they do, and for networks that start quietly.

    Args:
        x: as for ``FiringRateMonitor``.
        every: epochs from one look to the next, the first after the first epoch. There is one after
            the last epoch as well.
    """

    def __init__(self, x, every=1):
        super().__init__(x)
        self.every = every

    def on_epoch_begin(self, epoch, logs=None):
        pass

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self.every == 0 or epoch + 1 == self.params["epochs"]:
            super().on_epoch_end(epoch, logs)
