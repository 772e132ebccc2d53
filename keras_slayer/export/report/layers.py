"""The reports of the layers, and the warnings that follow from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_slayer.export.model.float_network import Flatten, FloatNetwork
from keras_slayer.export.network import IntegerDense, IntegerNetwork
from keras_slayer.export.quantize import Quantized, largest_synaptic_sum
from keras_slayer.export.report.data import LayerReport
from keras_slayer.export.weight_grid import weight_damage


def layer_reports(
    float_network: FloatNetwork, network: IntegerNetwork, done: Sequence[Quantized]
) -> tuple[LayerReport, ...]:
    """One report for each layer of the network.

    Args:
        float_network: the layers as they were trained.
        network: what became of them.
        done: how, for each layer with neurons.
    """
    reports, rest = [], iter(done)
    for source, layer in zip(float_network.layers, network.layers, strict=True):
        if isinstance(source, Flatten):
            reports.append(LayerReport(source.name, "Flatten"))
        else:
            delay = layer.delay if isinstance(layer, IntegerDense) else None
            reports.append(_report(next(rest), 0 if delay is None else int(delay.max())))
    return tuple(reports)


def _report(layer: Quantized, largest_delay: int) -> LayerReport:
    synapses, neuron, weight = layer.source.synapses, layer.source.neuron, layer.weight
    damage = weight_damage(synapses.kernel, layer.grid, layer.bits)
    values, counts = np.unique(weight, return_counts=True)
    return LayerReport(
        name=synapses.name,
        type=synapses.source,
        neurons=int(np.prod(synapses.output_shape)),
        weights=damage.total,
        zero_weights=int(np.count_nonzero(weight == 0)),
        changed_weights=damage.changed,
        out_of_range_weights=damage.out_of_range,
        weight_bits=int(layer.bits),
        exact=layer.exact,
        threshold_mantissa=int(neuron.threshold_mantissa),
        current_decay=int(neuron.current_decay),
        voltage_decay=int(neuron.voltage_decay),
        largest_delay=largest_delay,
        largest_synaptic_sum=largest_synaptic_sum(weight),
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
    for layer in layers:
        if not layer.exact:
            warnings.append(
                f"{layer.name}: {layer.changed_weights:,} of {layer.weights:,} weights were "
                f"rounded to {layer.weight_bits} bits, {layer.out_of_range_weights:,} of them "
                "clipped; the model was not trained with these"
            )
        if layer.largest_synaptic_sum > synaptic_sum_limit:
            warnings.append(
                f"{layer.name}: if all inputs of one sign spike in one step, the synaptic sum of "
                f"a neuron reaches {layer.largest_synaptic_sum:,}; the chip holds "
                f"{synaptic_sum_limit:,}"
            )
    return tuple(warnings)
