"""A graph with everything that a wiring shows."""

import numpy as np
from mapping_graph_cases import conv, dense, population

from keras_slayer.export.graph import DenseSynapses, IntegerGraph


def delayed(inputs, outputs, low, high):
    """Delays from ``low`` to ``high``, and a longer one of a synapse that is none."""
    delay = np.full((inputs, outputs), low, np.uint8)
    delay[0, 0], delay[1, 0] = high, 60
    weight = np.ones((inputs, outputs), np.int16)
    weight[1, 0] = 0
    return DenseSynapses(weight, delay)


def mixed():
    """Two inputs and outputs, a constant source, relays, a loop, branches of unequal length."""
    populations = {
        "constant": population((1,)),
        "conv": population((12, 12, 4), ("camera", conv(3, 2, 4)), ("constant", dense(1, 576))),
        "encoder": population((20,), ("imu", delayed(6, 20, 2, 9))),
        "memory": population((30,), ("encoder", dense(20, 30)), ("memory", dense(30, 30, 1))),
        "encoder/relay": population((20,), ("encoder", dense(20, 20))),
        "encoder/relay/relay": population((20,), ("encoder/relay", dense(20, 20))),
        "fusion": population(
            (40,),
            ("conv", dense(576, 40)),
            ("memory", dense(30, 40)),
            ("encoder/relay/relay", dense(20, 40)),
        ),
        "steering": population((3,), ("fusion", dense(40, 3))),
        "speed": population((1,), ("fusion", dense(40, 1)), ("encoder", dense(20, 1, 5))),
    }
    return IntegerGraph({"camera": (12, 12, 2), "imu": (6,)}, populations, ("steering", "speed"))
