"""A neuron as the ops take it, and the ops of the neurons alone."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import library, reference


@dataclasses.dataclass(frozen=True)
class NeuronSpec:
    """Which neuron, its parameters in steps (csrc/neuron_op.h) and its gradient.

    Attributes:
        kind: ``"srm"``, ``"cuba"`` or ``"loihi_cuba"``.
        params: numbers, those of the surrogate among them.
        exodus: whether the gradient is that of EXODUS.
        surrogate: shape of the surrogate.
    """

    kind: str
    params: tuple[float, ...]
    exodus: bool
    surrogate: str

    @property
    def native_options(self) -> dict:
        """Arguments of the native ops of whole layers: which neuron, and its parameters."""
        return {"params": self.params, "neuron": self.kind}

    @property
    def native_gradient_options(self) -> dict:
        """Arguments of the native ops that take a gradient through the neurons of a layer."""
        return {**self.native_options, "exodus": self.exodus, "surrogate": self.surrogate}

    @property
    def gradient_options(self) -> dict:
        """Arguments of the native ops that compute a gradient."""
        return {"exodus": self.exodus, "surrogate": self.surrogate}

    def native_fire(self, z):
        native = getattr(library.native(), f"keras_slayer_{self.kind}")
        return native(synaptic_input=z, params=self.params, **self.gradient_options)

    def native_fire_bytes(self, z):
        """(spikes, membrane), the spikes as bytes."""
        spikes, membrane = self.native_fire(z)
        return tf.cast(spikes, tf.uint8), membrane

    def native_grad(self, grad_spikes, membrane):
        """Gradient of the synaptic input."""
        native = getattr(library.native(), f"keras_slayer_{self.kind}_grad")
        return native(
            grad_spikes=grad_spikes,
            membrane=membrane,
            params=self.params,
            **self.gradient_options,
        )


def surrogate_params(threshold: float, surrogate_tau: float, surrogate_scale: float) -> list[float]:
    """Threshold, width and height of the surrogate.

    rho(u) = height exp(-|u - threshold| / width) or, for ``"triangle"``,
    height max(0, 1 - |u - threshold| / (2 width)).
    """
    width = checks.number(surrogate_tau, "surrogate_tau", open_low=True) * threshold
    height = checks.number(surrogate_scale, "surrogate_scale") / width
    return [threshold, width, height]


def fire(z, spec: NeuronSpec):
    """(spikes, membrane) of synaptic input (batch, time, ...); no gradient through the second."""
    native = library.native() is not None
    spikes, membrane = spec.native_fire(z) if native else reference.neuron(z, spec)
    return spikes, tf.stop_gradient(membrane)


def _gradient_of(kind: str):
    def gradient(op, grad_spikes, _grad_membrane):
        native = getattr(library.native(), f"keras_slayer_{kind}_grad")
        grad_input = native(
            grad_spikes=grad_spikes,
            membrane=op.outputs[1],
            params=op.inputs[1],
            exodus=op.get_attr("exodus"),
            surrogate=op.get_attr("surrogate"),
        )
        return grad_input, None

    return gradient


for _name, _kind in (("Srm", "srm"), ("Cuba", "cuba"), ("LoihiCuba", "loihi_cuba")):
    tf.RegisterGradient(f"KerasSlayer>{_name}")(_gradient_of(_kind))
