"""keras_slayer: spiking neural networks for Keras 3, trained with SLAYER, deployed to Loihi.

Importing it registers every layer, neuron, loss and metric for loading saved
models, and adds ``export_loihi`` to ``keras.Model``. The native ops are loaded on
first use.
"""

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "keras_slayer needs Keras on the TensorFlow backend: set KERAS_BACKEND=tensorflow "
        f"before keras is imported. Received: backend={keras.backend.backend()!r}"
    )

from keras_slayer.initializers import FluctuationDriven
from keras_slayer.layers import (
    DelayLayer,
    Flatten,
    SpikingActivation,
    SpikingConv2D,
    SpikingDense,
    SpikingSumPooling2D,
    TemporalFilter,
)
from keras_slayer.losses import SpikeCountLoss, SpikeMaxLoss, SpikeRateLoss, SpikeTimeLoss
from keras_slayer.metrics import SpikeCountAccuracy, VanRossumDistance
from keras_slayer.neurons import CUBA, SRM, LoihiCUBA

__version__ = "0.1.0"

__all__ = [
    "CUBA",
    "SRM",
    "DelayLayer",
    "Flatten",
    "FluctuationDriven",
    "LoihiCUBA",
    "SpikeCountAccuracy",
    "SpikeCountLoss",
    "SpikeMaxLoss",
    "SpikeRateLoss",
    "SpikeTimeLoss",
    "SpikingActivation",
    "SpikingConv2D",
    "SpikingDense",
    "SpikingSumPooling2D",
    "TemporalFilter",
    "VanRossumDistance",
]


def _export_loihi(self, path, **options):
    """Quantises this model and writes it to ``path`` for Loihi.

    See ``keras_slayer.export.export_loihi``.
    """
    from keras_slayer.export import export_loihi

    return export_loihi(self, path, **options)


keras.Model.export_loihi = _export_loihi
