"""A callback that shows the layers of a model at work in TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import checks


class SpikeRasterLogger(keras.callbacks.Callback):
    """Sends rasters, firing rates and a confusion matrix to TensorBoard, as pictures.

    Before the first epoch and after every ``every`` epochs the model runs once, in inference mode,
    on a fixed batch; training itself is untouched. On the "Images" page of TensorBoard appear

    - ``raster/NAME``: the spikes of one sample, for each layer with spiking neurons
      (``visualization.plot_raster``),
    - ``rates``: the firing rates of all these layers (``visualization.plot_rates``),
    - ``confusion``: which classes the model takes for which, where the batch has labels
      (``visualization.plot_confusion``). The answer is the class with the most spikes, or with the
      highest score.

    The step of a picture is the number of epochs trained. Needs matplotlib and tensorboard (the
    extra ``keras_slayer[tensorboard]``).

    Args:
        log_dir: folder of the event files, that of ``keras.callbacks.TensorBoard``, say; or a
            writer from ``tf.summary.create_file_writer``, which is left open.
        data: a batch: ``(x, labels)`` with integer or one-hot labels, or ``x`` alone; or a
            ``tf.data.Dataset`` or ``PyDataset``, whose first batch is taken. Held-out data, some
            recordings of each class.
        every: epochs from picture to picture.
        layers: names of the layers to draw, as ``firing_rates`` calls them; by default all.
        sample: number of the sample whose rasters are drawn.

    Raises:
        ImportError: matplotlib or tensorboard is missing.
        ValueError: an argument out of its range, an empty data set; at the start of training, a
            model without spiking neurons, a layer that it lacks, labels that are no classes of its
            output.

    Example:

    >>> logger = keras_slayer.SpikeRasterLogger("logs", (x_validation[:64], labels[:64]))
    >>> model.fit(x, y, callbacks=[keras.callbacks.TensorBoard("logs"), logger])
    """

    def __init__(
        self,
        log_dir: str | os.PathLike | tf.summary.SummaryWriter,
        data,
        every: int = 1,
        layers: Sequence[str] | None = None,
        *,
        sample: int = 0,
    ) -> None:
        super().__init__()
        _check_packages()
        if not isinstance(log_dir, str | os.PathLike | tf.summary.SummaryWriter):
            raise ValueError(
                "`log_dir` must be a folder, or a writer from tf.summary.create_file_writer. "
                f"Received: log_dir={log_dir!r}"
            )
        self.log_dir = log_dir
        self.x, self.labels = _batch(data)
        self.every = checks.integer(every, "every", low=1, high=10**9)
        self.layers = layers
        self.sample = checks.integer(sample, "sample", low=0, high=10**9)
        self._writer: tf.summary.SummaryWriter | None = None
        self._starting = True

    def on_train_begin(self, logs=None):
        if isinstance(self.log_dir, tf.summary.SummaryWriter):
            self._writer = self.log_dir
        else:
            self._writer = tf.summary.create_file_writer(os.path.join(self.log_dir, "spikes"))
        self._starting = True

    def on_epoch_begin(self, epoch, logs=None):
        # Not in on_train_begin, where other callbacks may yet set weights.
        if self._starting:
            self._starting = False
            self._log(epoch)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            self._log(epoch + 1)

    def on_train_end(self, logs=None):
        if self._writer is not None and self._writer is not self.log_dir:
            self._writer.close()
        self._writer = None

    def _log(self, step: int):
        from keras_slayer.visualization import plot_confusion, plot_raster
        from keras_slayer.visualization.rates import draw_rates
        from keras_slayer.visualization.recording import counts_of, summarise
        from keras_slayer.visualization.style import new_figure

        run = summarise(self.model, self.x, sample=self.sample, layers=self.layers)
        pictures = {
            f"raster/{name}": plot_raster(layer.spikes, dt=layer.dt, title=name)
            for name, layer in run.layers.items()
        }
        pictures["rates"] = new_figure(7.5, 0.75 + 0.62 * len(run.layers))
        shares = {name: layer.shares for name, layer in run.layers.items()}
        draw_rates(pictures["rates"].add_subplot(), shares, saturation=0.5)
        if self.labels is not None:
            counts = counts_of(run.outputs)
            if counts is None:
                raise ValueError(
                    "labels need a model with one output, (batch, time, classes) or (batch, "
                    f"classes); give `data` without labels. Received: model={self.model.name!r}"
                )
            pictures["confusion"] = plot_confusion(self.labels, counts)
        with self._writer.as_default(step=step):
            for name, figure in pictures.items():
                tf.summary.image(name, _pixels(figure)[None])
        self._writer.flush()


def _check_packages():
    from keras_slayer.visualization.style import new_figure

    new_figure(1, 1)
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "SpikeRasterLogger needs tensorboard: pip install 'keras_slayer[tensorboard]'"
        ) from error


def _batch(data):
    """(x, labels or None) of a batch or of the first one of a data set."""
    if isinstance(data, keras.utils.PyDataset):
        return _split(data[0])
    if not isinstance(data, tf.data.Dataset):
        return _split(data)
    for element in data.take(1):
        return _split(element)
    raise ValueError("the data set must hold a batch. Received: an empty tf.data.Dataset")


def _split(element):
    x, labels, _ = keras.utils.unpack_x_y_sample_weight(element)
    if labels is None:
        return x, None
    labels = np.asarray(labels)
    if labels.ndim == 2:
        labels = labels[:, 0] if labels.shape[1] == 1 else labels.argmax(axis=1)
    if labels.ndim != 1:
        raise ValueError(
            "labels must be integers (batch,), or one-hot (batch, classes). "
            f"Received: labels of shape {labels.shape}"
        )
    return x, labels.astype(np.int64)


def _pixels(figure) -> np.ndarray:
    """A figure as bytes `(height, width, 3)`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(120)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
