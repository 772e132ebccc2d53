"""The recurrent workload as plain numbers: the same network and spikes in every library.

700 inputs, 256 neurons that also feed each other, 20 neurons to read out from: as for spoken digits
in cochleas (Cramer et al. 2022). Nothing but numpy is imported: each peer's environment has its
own.
"""

from __future__ import annotations

import numpy as np
from peers import protocol

INPUTS, UNITS, CLASSES = 700, 256, 20
TAU = 10.0  # of all membranes, steps
# Of Keras' Adam: so low that networks fire as they did at first while they are timed.
LEARNING_RATE = 1e-6
HIDDEN_RATE = 0.02  # spikes per unit and step that the readout's weights are made for
# The recurrent weights bring this share of the deviation that those of the inputs bring.
RECURRENT = 1 / 3


def events(settings) -> tuple[np.ndarray, np.ndarray]:
    """Spikes (batch, steps, inputs) and labels."""
    random = np.random.default_rng(1)
    shape = (settings.batch, settings.steps, INPUTS)
    x = random.random(shape, dtype=np.float32) < settings.density
    return x.astype(np.float32), random.integers(0, CLASSES, settings.batch)


def deviations(
    kernel, density: float, threshold: float = 1.0, readout=None
) -> tuple[float, float, float]:
    """Of the weights: of the inputs, between the units, of the readout.

    `kernel` is the response of the membrane, `readout` that of the readout's if it is another.
    """

    def of(response, fan_in, rate):
        return protocol.weight_deviation(response, fan_in, rate, threshold)

    return (
        of(kernel, INPUTS, density),
        RECURRENT * of(kernel, UNITS, HIDDEN_RATE),
        of(kernel if readout is None else readout, UNITS, HIDDEN_RATE),
    )
