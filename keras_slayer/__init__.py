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

from keras_slayer.callbacks import FiringRateMonitor, RateInitializer
from keras_slayer.constraints import OwnChannel
from keras_slayer.first_spike_loss import FirstSpikeLoss
from keras_slayer.initializers import FluctuationDriven
from keras_slayer.layers import (
    DelayLayer,
    Flatten,
    SpikingActivation,
    SpikingConv2D,
    SpikingDense,
    SpikingSumPooling2D,
    TemporalFilter,
    WinnerTakeAll,
)
from keras_slayer.losses import SpikeCountLoss, SpikeMaxLoss, SpikeRateLoss, SpikeTimeLoss
from keras_slayer.metrics import (
    FirstSpikeAccuracy,
    SpikeCountAccuracy,
    VanRossumDistance,
    accuracy_over_time,
)
from keras_slayer.neurons import CUBA, SRM, LoihiCUBA
from keras_slayer.optimizers import ScaledAdam
from keras_slayer.rate_setting import set_firing_rates
from keras_slayer.rates import FiringRateWarning, firing_rates
from keras_slayer.spike_matching import SpikeMatches, match_spikes

__version__ = "0.1.0"

__all__ = [
    "CUBA",
    "SRM",
    "DelayLayer",
    "FiringRateMonitor",
    "FiringRateWarning",
    "FirstSpikeAccuracy",
    "FirstSpikeLoss",
    "Flatten",
    "FluctuationDriven",
    "LoihiCUBA",
    "OwnChannel",
    "RateInitializer",
    "ScaledAdam",
    "SpikeCountAccuracy",
    "SpikeCountLoss",
    "SpikeMatches",
    "SpikeMaxLoss",
    "SpikeRateLoss",
    "SpikeTimeLoss",
    "SpikingActivation",
    "SpikingConv2D",
    "SpikingDense",
    "SpikingSumPooling2D",
    "TemporalFilter",
    "VanRossumDistance",
    "WinnerTakeAll",
    "accuracy_over_time",
    "firing_rates",
    "match_spikes",
    "set_firing_rates",
]


def _export_loihi(self, path, **options):
    """Quantises this model and writes it to ``path`` for Loihi.

    See ``keras_slayer.export.export_loihi``.
    """
    from keras_slayer.export import export_loihi

    return export_loihi(self, path, **options)


keras.Model.export_loihi = _export_loihi
