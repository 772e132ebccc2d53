"""The neurons of a layer, whose parameters may be weights of the layer."""

from __future__ import annotations

import keras
import numpy as np

from keras_slayer import neurons
from keras_slayer.neurons import learned

PER = ("layer", "channel")


class LearnedNeuron:
    """A neuron and the weights that change it.

    Args:
        neuron: as it is given.
        learn: as for ``learned.get``.
        per: whether the neurons of the layer or those of a channel share a parameter.
    """

    def __init__(self, neuron: neurons.Neuron, learn, per: str) -> None:
        self.given = neuron
        self.learn = learned.get(learn, neuron)
        if per not in PER:
            raise ValueError(f"per must be 'layer' or 'channel'. Received: per={per!r}")
        if self.learn and per == "channel" and isinstance(neuron, neurons.LoihiCUBA):
            raise ValueError(
                "LoihiCUBA learns its parameters per layer: the files of the chip hold one value "
                "of each for all neurons of a layer. "
                f"Received: per={per!r}, learn={list(self.learn)}"
            )
        self.per = per
        self.weights: dict[str, keras.Variable] = {}

    def build(self, layer: keras.layers.Layer, channels: int | None) -> None:
        """Adds the weights to the layer."""
        if not self.learn:
            return
        if self.per == "channel" and channels is None:
            raise ValueError(
                "parameters per channel need a last axis of known size. "
                f"Received: learn={list(self.learn)}, per='channel'"
            )
        shape = (channels,) if self.per == "channel" else ()
        used = []
        for name, how in self.learn.items():
            options = how.weight_options()
            start = options["initializer"]
            if isinstance(start, keras.initializers.Initializer) and start in used:
                # Without a seed, too, the same object would draw the same numbers again.
                options["initializer"] = type(start).from_config(start.get_config())
            used.append(start)
            self.weights[name] = layer.add_weight(name=name, shape=shape, autocast=False, **options)

    def now(self, **more) -> neurons.Neuron:
        """The neuron with tensors in place of the parameters that are learned, and ``more``."""
        values = {name: self.given.changed(name, w) for name, w in self.weights.items()} | more
        return self.given.with_tensors(values) if values else self.given

    def values(self) -> dict[str, np.ndarray]:
        """The learned parameters as they are, () or (channels,)."""
        return {
            name: np.asarray(self.given.changed(name, w.value)) for name, w in self.weights.items()
        }

    def settled(self) -> neurons.Neuron:
        """The neuron with the learned parameters as numbers.

        Raises:
            ValueError: channels with different parameters, or parameters that are not finite.
        """
        if not self.learn:
            return self.given
        config = self.given.get_config()
        for name, value in self.values().items():
            if value.size > 1 and np.ptp(value) > 0:
                raise ValueError(
                    f"the channels have different parameters: {name} from {value.min():.4g} to "
                    f"{value.max():.4g}"
                )
            if not np.isfinite(value).all():
                raise ValueError(f"{name} has become {value.flat[0]:g}")
            kind = type(config[name])
            config[name] = kind(value.flat[0])
        return type(self.given).from_config(config)

    def get_config(self) -> dict:
        learn = {name: keras.saving.serialize_keras_object(how) for name, how in self.learn.items()}
        return {"learn": learn or None, "per": self.per}
