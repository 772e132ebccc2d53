"""The reports of the layers, and the warnings that follow from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_slayer.export.graph import IntegerGraph, Population, most_synaptic_input
from keras_slayer.export.quantize import Quantized
from keras_slayer.export.report.data import LayerReport
from keras_slayer.export.weight_grid import weight_damage

MOST_NAMED = 5
"""Layers that are named one by one in the warnings."""


def layer_reports(network: IntegerGraph, done: Sequence[Quantized]) -> tuple[LayerReport, ...]:
    """One report for each population that the model has.

    Args:
        network: in integers.
        done: how its populations were quantised.
    """
    return tuple(_report(layer, network.populations[layer.source.name]) for layer in done)


def _report(layer: Quantized, population: Population) -> LayerReport:
    source, neuron, weights = layer.source, population.neuron, layer.weights
    kernels = {id(synapses): synapses.kernel.ravel() for synapses in source.synapses}
    damage = weight_damage(np.concatenate(list(kernels.values())), layer.grid, layer.bits)
    values, counts = np.unique(weights, return_counts=True)
    delays = [connection.synapses.longest_delay for connection in population.connections]
    return LayerReport(
        name=source.name,
        type=source.source,
        neurons=population.size,
        weights=damage.total,
        zero_weights=int(np.count_nonzero(weights == 0)),
        changed_weights=damage.changed,
        out_of_range_weights=damage.out_of_range,
        weight_bits=int(layer.bits),
        exact=layer.exact,
        threshold_mantissa=neuron.threshold_mantissa,
        current_decay=neuron.current_decay,
        voltage_decay=neuron.voltage_decay,
        constant_error=layer.constant_error,
        largest_delay=max(delays, default=0),
        largest_synaptic_sum=most_synaptic_input(population),
        histogram=tuple(zip(values.tolist(), counts.tolist(), strict=True)),
    )


def warnings_of(
    layers: Sequence[LayerReport], converted: bool, synaptic_sum_limit: int
) -> tuple[str, ...]:
    """What may differ on the chip.

    Args:
        layers: from ``layer_reports``.
        converted: whether the neurons were another kind.
        synaptic_sum_limit: of the chip.
    """
    warnings = []
    if converted:
        warnings.append(
            "the neurons were converted: this network does not spike as the model does. Fine-tune "
            "keras_slayer.export.to_loihi(model) and export that"
        )
    rounded = [layer for layer in layers if layer.changed_weights and not layer.exact]
    if len(rounded) > MOST_NAMED:
        warnings.append(
            f"the weights of {len(rounded)} layers were rounded, "
            f"{sum(layer.out_of_range_weights for layer in rounded):,} of "
            f"{sum(layer.weights for layer in rounded):,} clipped; the model was not trained with "
            "these"
        )
    else:
        warnings += [
            f"{layer.name}: {layer.changed_weights:,} of {layer.weights:,} weights were "
            f"rounded to {layer.weight_bits} bits, {layer.out_of_range_weights:,} of them "
            "clipped; the model was not trained with these"
            for layer in rounded
        ]
    constant = [layer for layer in layers if layer.constant_error > 0]
    if constant:
        warnings.append(
            f"constant inputs (biases and normalisations) of {len(constant)} layers differ from "
            f"the trained by up to {max(layer.constant_error for layer in constant):.2g}"
        )
    for layer in layers:
        if layer.largest_synaptic_sum > synaptic_sum_limit:
            warnings.append(
                f"{layer.name}: if all inputs of one sign spike in one step, the synaptic sum of "
                f"a neuron reaches {layer.largest_synaptic_sum:,}; the chip holds "
                f"{synaptic_sum_limit:,}"
            )
    return tuple(warnings)
