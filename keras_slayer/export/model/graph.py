"""A Keras model as a float network, for one chip.

One handler per layer class (handlers.py, merging.py) tells a ``Walk`` what the layer does. Where
the chip cannot do it, the handler notes why and the walk goes on, so that all problems of a model
show at once.
"""

from __future__ import annotations

from keras_slayer.export.model import handlers, merging  # noqa: F401 (they register themselves)
from keras_slayer.export.model.float_network import FloatNetwork
from keras_slayer.export.model.program import Program
from keras_slayer.export.model.registry import HANDLERS
from keras_slayer.export.model.walk import Walk
from keras_slayer.export.problems import Problem
from keras_slayer.export.target import Target


def read_network(program: Program, target: Target) -> tuple[FloatNetwork, list[Problem]]:
    """What ``program`` computes on the chip, and everything about it that the chip cannot do."""
    walk = Walk(program, target, HANDLERS)
    problems = [problem for number in program.chip for problem in walk.visit(number)]
    inputs = {name: tuple(shape[2:]) for name, shape in program.inputs.items()}
    outputs = tuple(walk.neurons.get(number, "") for number in program.read)
    return FloatNetwork(inputs, walk.populations, outputs), problems
