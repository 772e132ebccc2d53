"""A Keras model as a chain of float layers, for one chip.

One handler per layer class (handlers.py) tells a ``Walk`` what the layer does. Where the chip
cannot do it, the handler notes why and the walk goes on, so that all problems of a model show at
once.
"""

from __future__ import annotations

from keras_slayer.export.model.chain import Chain
from keras_slayer.export.model.float_network import FloatNetwork
from keras_slayer.export.model.handlers import HANDLERS
from keras_slayer.export.model.walk import Walk
from keras_slayer.export.problems import Problem
from keras_slayer.export.target import Target


def read_network(chain: Chain, target: Target) -> tuple[FloatNetwork, list[Problem]]:
    """What ``chain`` computes on the chip, and everything about it that the chip cannot do."""
    walk = Walk(chain.input_shape, target, HANDLERS)
    problems = [problem for layer in chain.layers for problem in walk.visit(layer)]
    problems += walk.finish(chain.layers[-1])
    return FloatNetwork(tuple(chain.input_shape[2:]), tuple(walk.layers)), problems
