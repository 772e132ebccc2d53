"""keras_slayer: spiking neural networks for Keras 3, trained with SLAYER, deployed to Loihi.

Importing it registers every layer, neuron, loss and metric for loading saved
models, and adds ``export_loihi`` to ``keras.Model``. The native ops are loaded on
first use, and so are the subpackages ``data_service``, ``datasets``, ``distribute``,
``events``, ``export`` and ``visualization``.
"""

import importlib
import types

from keras_slayer.supported import refusal as _refusal

if _refusal():
    raise ImportError(_refusal())

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "keras_slayer needs Keras on the TensorFlow backend: set KERAS_BACKEND=tensorflow "
        f"before keras is imported. Received: backend={keras.backend.backend()!r}"
    )

from keras_slayer.callbacks import (
    FiringRateMonitor,
    RateInitializer,
    SetFiringRates,
    SpikeRasterLogger,
)
from keras_slayer.constraints import OwnChannel
from keras_slayer.encoders import DeltaEncoder, LatencyEncoder, PopulationEncoder, RateEncoder
from keras_slayer.initializers import FluctuationDriven
from keras_slayer.layers import (
    DelayLayer,
    Flatten,
    PerStep,
    SpikingActivation,
    SpikingConv2D,
    SpikingDense,
    SpikingRecurrentConv2D,
    SpikingRecurrentDense,
    SpikingSumPooling2D,
    TemporalFilter,
    WinnerTakeAll,
)
from keras_slayer.losses import (
    FirstSpikeLoss,
    SpikeCountLoss,
    SpikeMaxLoss,
    SpikeRateLoss,
    SpikeTimeLoss,
)
from keras_slayer.metrics import (
    FirstSpikeAccuracy,
    SpikeCountAccuracy,
    SpikeMatches,
    VanRossumDistance,
    accuracy_over_time,
    match_spikes,
)
from keras_slayer.neurons import ALIF, CUBA, SRM, Learned, LoihiCUBA, ResonateAndFire
from keras_slayer.optimizers import ScaledAdam
from keras_slayer.presets import from_preset
from keras_slayer.profiling import LayerProfile, Profile, profile
from keras_slayer.rates import FiringRateWarning, firing_rates, set_firing_rates
from keras_slayer.recorded import record
from keras_slayer.stream import Stream, TruncatedTime

__version__ = "0.2.0"

__all__ = [
    "ALIF",
    "CUBA",
    "SRM",
    "DelayLayer",
    "DeltaEncoder",
    "FiringRateMonitor",
    "FiringRateWarning",
    "FirstSpikeAccuracy",
    "FirstSpikeLoss",
    "Flatten",
    "FluctuationDriven",
    "LatencyEncoder",
    "LayerProfile",
    "Learned",
    "LoihiCUBA",
    "OwnChannel",
    "PerStep",
    "PopulationEncoder",
    "Profile",
    "RateEncoder",
    "RateInitializer",
    "ResonateAndFire",
    "ScaledAdam",
    "SetFiringRates",
    "SpikeCountAccuracy",
    "SpikeCountLoss",
    "SpikeMatches",
    "SpikeMaxLoss",
    "SpikeRasterLogger",
    "SpikeRateLoss",
    "SpikeTimeLoss",
    "SpikingActivation",
    "SpikingConv2D",
    "SpikingDense",
    "SpikingRecurrentConv2D",
    "SpikingRecurrentDense",
    "SpikingSumPooling2D",
    "Stream",
    "TemporalFilter",
    "TruncatedTime",
    "VanRossumDistance",
    "WinnerTakeAll",
    "accuracy_over_time",
    "firing_rates",
    "from_preset",
    "match_spikes",
    "profile",
    "record",
    "set_firing_rates",
]

# Imported when first used: they need h5py, tensorflow_datasets or matplotlib, or take time.
_SUBPACKAGES = ("data_service", "datasets", "distribute", "events", "export", "visualization")


def __getattr__(name: str) -> types.ModuleType:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBPACKAGES})


def _export_loihi(self, path, **options):
    """Quantises this model and writes it to ``path`` for Loihi.

    See ``keras_slayer.export.export_loihi``.
    """
    from keras_slayer.export import export_loihi

    return export_loihi(self, path, **options)


keras.Model.export_loihi = _export_loihi
