"""Norse, one step at a time: LIF neurons without a current ("box").

Variants: "eager" is its own SequentialState, as its tutorials write it; "compiled" the functions
below it (norse_step.py), whose constants are numbers instead of tensors.
"""

import norse.torch as norse
import torch
from peers import live
from peers.norse_step import LIFBox

LEAK = 1 - live.BETA


def prepare(variant, density):
    hidden, output = live.synapses(density, LEAK)
    if variant == "eager":
        # Norse's step is 1 ms, its rates are per second.
        constants = norse.LIFBoxParameters(
            tau_mem_inv=torch.tensor(1000 * LEAK), v_th=torch.tensor(1.0)
        )
        cells = norse.LIFBoxCell(constants), norse.LIFBoxCell(constants)
        return norse.SequentialState(hidden, cells[0], output, cells[1]), None
    first, second = LIFBox(LEAK), LIFBox(LEAK)

    def step(frame, state):
        spikes, one = first(hidden(frame), state[0])
        spikes, two = second(output(spikes), state[1])
        return spikes, (one, two)

    state = torch.zeros(1, live.HIDDEN), torch.zeros(1, live.OUTPUTS)
    return torch.compile(step), state


if __name__ == "__main__":
    live.serve(prepare, ("eager", "compiled"), ("norse", "torch"))
