"""What to change about a layer that fires too little or too much."""

from __future__ import annotations

from collections.abc import Iterable

from keras_slayer.layers.spiking_layer import SpikingLayer, WeightedSpikingLayer


class FiringRateWarning(UserWarning):
    """A layer that fires too little or too much, or a model that stays at chance.

    The message says what to change.
    """


def advice(layer: SpikingLayer, *, more: bool, weights: bool = True) -> str:
    """What to change for ``more`` or for fewer spikes of a layer, its weights or the rest."""
    neuron = layer.neuron
    larger, smaller = ("larger", "smaller") if more else ("smaller", "larger")
    changes = []
    if weights and isinstance(layer, WeightedSpikingLayer):
        changes.append(
            f"{larger} weights (set_firing_rates, or FluctuationDriven with a {smaller} xi)"
        )
    elif weights and hasattr(layer, "weight"):
        changes.append(f"a {larger} weight")
    elif weights:
        changes.append(f"{larger} weights in the layer before it")
    threshold = "threshold_mantissa" if hasattr(neuron, "threshold_mantissa") else "threshold"
    changes.append(f"a {'lower' if more else 'higher'} {threshold}")
    if hasattr(neuron, "tau_response"):
        changes.append(f"a {'longer' if more else 'shorter'} tau_response")
    elif hasattr(neuron, "voltage_decay"):
        changes.append(f"a {smaller} current_decay and voltage_decay")
    *first, last = changes
    return f"Try {', '.join(first)} or {last}" if first else f"Try {last}"


def training_advice(layers: Iterable[SpikingLayer]) -> str:
    """What to change where every layer fires, and the model learns nothing."""
    own = "dt" if any(getattr(layer.neuron, "dt", None) for layer in layers) else "decays"
    return (
        "Try a lower learning_rate, then a higher one, then a larger surrogate_tau; and compare "
        f"the {own} of the neurons with the time step of the data"
    )
