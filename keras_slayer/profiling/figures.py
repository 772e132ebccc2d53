"""What ``profile`` found, in figures."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from keras_slayer.profiling import energy


@dataclass(frozen=True)
class LayerProfile:
    """One use of a layer, or all of them.

    What depends on data is per sample: the mean over the samples. None is what the layer does not
    have, or what could not be counted.

    Attributes:
        name: of the layer; the second use of ``dense`` is ``dense:1``.
        type: class of the layer; ``PerStep(Conv2D)`` for one within a wrapper.
        parameters: numbers in its variables, trained or not.
        footprint: bytes of these, as Keras holds them. Constants and states are not in it.
        weights: those of its parameters that inputs are multiplied by.
        zero_weights: those of them that are zero, in the forward pass: of ``LoihiCUBA`` layers as
            the chip rounds them.
        outputs: numbers that it returned.
        nonzero_outputs: those of them that are not zero.
        active: whether its outputs are spikes or those of an activation function. The total's
            activation sparsity is that of these layers.
        neurons: neurons with a state.
        neuron_updates: neurons times steps.
        spikes: spikes of its neurons.
        spike_rate: spikes per neuron and step.
        dense: synaptic operations with all inputs and all weights.
        macs: effective operations (neither input nor weight is zero) whose inputs are not all 0, 1
            or -1: a multiplication and an addition each.
        acs: effective operations whose inputs are all 0, 1 or -1: an addition each.
        counted: whether ``dense``, ``macs`` and ``acs`` are known; of a total, all of them.
        note: why not, or what to know.
    """

    name: str
    type: str
    parameters: int
    footprint: int
    weights: int | None = None
    zero_weights: int | None = None
    outputs: float | None = None
    nonzero_outputs: float | None = None
    active: bool = False
    neurons: int | None = None
    neuron_updates: float | None = None
    spikes: float | None = None
    spike_rate: float | None = None
    dense: float | None = None
    macs: float | None = None
    acs: float | None = None
    counted: bool = True
    note: str = ""

    @property
    def connection_sparsity(self) -> float | None:
        """Share of the weights that are zero."""
        return _share(self.zero_weights, self.weights)

    @property
    def activation_sparsity(self) -> float | None:
        """Share of the outputs that are zero, over neurons, steps and samples."""
        if not self.outputs:
            return None
        return 1 - self.nonzero_outputs / self.outputs

    @property
    def synaptic_operations(self) -> float | None:
        """Effective synaptic operations: ``macs + acs``."""
        return None if self.macs is None else self.macs + self.acs

    def energy(self, *, mac: float = energy.MAC, ac: float = energy.AC) -> float | None:
        """Joules per sample that its synaptic operations would take; see ``Profile.energy``."""
        return None if self.macs is None else energy.estimate(self.macs, self.acs, mac, ac)

    def to_dict(self) -> dict:
        """All figures by name, shares and sums as well."""
        derived = ("connection_sparsity", "activation_sparsity", "synaptic_operations")
        return {**vars(self), **{name: getattr(self, name) for name in derived}}


@dataclass(frozen=True, repr=False)
class Profile:
    """Operations of a model on data, as ``keras_slayer.profile`` counted them.

    ``print`` it for a table. It iterates over its layers, and ``profile["dense"]`` is one of them.

    Attributes:
        model: name of the model.
        samples: how many were run.
        layers: one ``LayerProfile`` for each use of a layer, in the order of computation.
        total: all of them. Parameters of layers that are used twice count once.
    """

    model: str
    samples: int
    layers: tuple[LayerProfile, ...]
    total: LayerProfile

    def __iter__(self) -> Iterator[LayerProfile]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, name: str) -> LayerProfile:
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in self.layers)
        raise KeyError(f"{name!r} is not among the layers of the profile: {names}")

    @property
    def not_counted(self) -> tuple[str, ...]:
        """Names of layers whose synaptic operations are not known: totals are without them."""
        return tuple(layer.name for layer in self.layers if not layer.counted)

    def energy(self, *, mac: float = energy.MAC, ac: float = energy.AC) -> float | None:
        """Joules per sample that the synaptic operations would take; None if none are counted.

            E = mac * total.macs + ac * total.acs

        This is a count times a figure, and no measurement: memory, neurons, communication and
        leakage, which take more than the arithmetic on most hardware, are not in it. It serves to
        compare networks. The defaults are those of 32-bit floats at 45 nm (Horowitz, ISSCC 2014):
        4.6 pJ per MAC, 0.9 pJ per AC.

        Args:
            mac: joules per multiplication and addition.
            ac: joules per addition.

        Raises:
            ValueError: an energy that is no number of at least 0.

        Warns:
            UserWarning: layers that are not counted, and so not in it.
        """
        if self.not_counted:
            warnings.warn(
                "the energy is without these layers, whose operations are not counted: "
                f"{', '.join(self.not_counted)}",
                stacklevel=2,
            )
        return self.total.energy(mac=mac, ac=ac)

    def to_json(self) -> str:
        """The profile as a JSON object with the attributes' names, shares and sums as well."""
        content = {
            "model": self.model,
            "samples": self.samples,
            "layers": [layer.to_dict() for layer in self.layers],
            "total": self.total.to_dict(),
            "not_counted": self.not_counted,
        }
        return json.dumps(content, indent=2)

    def __str__(self) -> str:
        from keras_slayer.profiling import table

        return table.render(self)

    def __rich__(self):
        from keras_slayer.profiling import table

        return table.renderable(self)

    __repr__ = __str__


def _share(part: int | None, of: int | None) -> float | None:
    return part / of if of else None
