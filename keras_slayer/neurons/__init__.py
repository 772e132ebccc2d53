"""Neuron models: frozen parameter objects that layers take by name or as instances.

=============================  =======================================================
``"srm"``, ``SRM``             spike response model, SLAYER's own neuron
``"cuba"``, ``CUBA``           current-based leaky integrate-and-fire, floating point
``"loihi"``, ``LoihiCUBA``     the same in the chip's integer arithmetic, equal to the bit
``"alif"``, ``ALIF``           leaky integrate-and-fire with an adaptive threshold
``"rf"``, ``ResonateAndFire``  damped oscillator that prefers its own frequency
=============================  =======================================================

``ResetCUBA`` is ``CUBA`` with the resets of other tools.

A neuron computes spikes from synaptic input (``fire``), its linear response without spikes
(``response``), and the kernel of that response (``response_kernel``).
"""

from __future__ import annotations

import keras

from keras_slayer.neurons.alif import ALIF
from keras_slayer.neurons.base import HORIZON, Neuron
from keras_slayer.neurons.cuba import CUBA
from keras_slayer.neurons.learned import Learned
from keras_slayer.neurons.loihi_cuba import LoihiCUBA, decay_from_tau
from keras_slayer.neurons.reset_cuba import ResetCUBA
from keras_slayer.neurons.resonate_and_fire import ResonateAndFire
from keras_slayer.neurons.srm import SRM
from keras_slayer.neurons.surrogate import Surrogate

BY_NAME = {"srm": SRM, "cuba": CUBA, "loihi": LoihiCUBA, "alif": ALIF, "rf": ResonateAndFire}

__all__ = [
    "ALIF",
    "CUBA",
    "HORIZON",
    "SRM",
    "Learned",
    "LoihiCUBA",
    "Neuron",
    "ResetCUBA",
    "ResonateAndFire",
    "Surrogate",
    "decay_from_tau",
    "get",
]


def get(identifier, argument: str = "neuron") -> Neuron:
    """A neuron from its name, its instance or its serialised config.

    Args:
        identifier: any of these.
        argument: name of the caller's argument, for the error message.

    Raises:
        ValueError: the identifier is none of these.
    """
    if isinstance(identifier, Neuron):
        return identifier
    if isinstance(identifier, str) and identifier in BY_NAME:
        return BY_NAME[identifier]()
    if isinstance(identifier, dict):
        neuron = keras.saving.deserialize_keras_object(identifier)
        if isinstance(neuron, Neuron):
            return neuron
    classes = ", ".join(neuron.__name__ for neuron in BY_NAME.values())
    raise ValueError(
        f"{argument} must be one of {', '.join(map(repr, BY_NAME))}, or an instance of "
        f"{classes} or another Neuron. Received: {argument}={identifier!r}"
    )
