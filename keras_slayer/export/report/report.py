"""What an export did: as text and pictures for people, as JSON for programs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

from keras_slayer.export.mapping.mapping import Mapping
from keras_slayer.export.quantize import WeightDamage
from keras_slayer.export.report.calibration import Calibration
from keras_slayer.files import write_whole


@dataclass(frozen=True)
class LayerReport:
    """One layer of the exported network.

    Attributes:
        name, type: of the Keras layer.
        neurons: neurons on the chip.
        weights: distinct weights (those of a convolution are shared by its positions).
        zero_weights: weights that are zero on the chip.
        changed_weights: weights whose trained value is not exactly the chip's.
        out_of_range_weights: weights whose trained value lies beyond the range of the chip's.
        weight_bits: bits of a weight, without the sign.
        exact: whether the chip's weights are those of the model's forward pass.
        threshold_mantissa, current_decay, voltage_decay: parameters of the neurons.
        largest_delay: steps beyond the one that every layer takes.
        largest_synaptic_sum: weights of one neuron added up, worst case, if all inputs of one sign
            spike in one step.
        histogram: (integer weight, how many), ascending.
    """

    name: str
    type: str
    neurons: int = 0
    weights: int = 0
    zero_weights: int = 0
    changed_weights: int = 0
    out_of_range_weights: int = 0
    weight_bits: int | None = None
    exact: bool = True
    threshold_mantissa: int | None = None
    current_decay: int | None = None
    voltage_decay: int | None = None
    largest_delay: int = 0
    largest_synaptic_sum: int = 0
    histogram: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class LoihiReport:
    """What :func:`keras_slayer.export.export_loihi` wrote.

    ``print`` it for tables; a notebook shows its page.

    Attributes:
        path, format, file_bytes: the file; None, the format and 0 after a dry run.
        chip: "Loihi 2" or "Loihi 1".
        input_shape, output_shape: of the network on the chip, without batch and time.
        latency_steps: steps from an input spike to the first output spike it can cause.
        exact: whether every weight is the very one of the model's forward pass, so that the
            network spikes exactly as the model does.
        converted: whether the neurons were another kind and had to be converted.
        layers: one report per layer.
        widths: what 1 to 8 bits do to the weights of the forward pass, all layers together.
        host_layers: layers behind the last spiking one, which run on the host.
        mapping: where the layers lie on the chip (:class:`Mapping`).
        calibration: what was measured on calibration data (:class:`Calibration`).
        warnings: what may differ on a chip.
    """

    path: str | None
    format: str
    file_bytes: int
    chip: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    latency_steps: int
    exact: bool
    converted: bool
    layers: tuple[LayerReport, ...]
    widths: tuple[WeightDamage, ...]
    host_layers: tuple[str, ...]
    mapping: Mapping
    calibration: Calibration | None = None
    warnings: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The report as a JSON object with the attributes' names."""
        return json.dumps(asdict(self), indent=2)

    def to_html(self, path: str | os.PathLike) -> None:
        """Writes the report as one self-contained page, which needs no network."""
        from keras_slayer.export.report.page import render

        write_whole(path, render(self).encode())

    def plot_cores(self, path: str | os.PathLike | None = None):
        """Draws the cores of each chip, see :func:`keras_slayer.visualization.plot_core_map`."""
        from keras_slayer.visualization import plot_core_map

        return plot_core_map(self.mapping, path)

    def __str__(self) -> str:
        from keras_slayer.export.report.text import render

        return render(self)

    def _repr_html_(self) -> str:
        from keras_slayer.export.report.page import render_cell

        return render_cell(self)
