"""snnTorch, one step at a time: Leaky neurons, as its tutorials write them, and compiled."""

import snntorch
import torch
from peers import live


def prepare(variant, density):
    hidden, output = live.synapses(density)
    first, second = snntorch.Leaky(beta=live.BETA), snntorch.Leaky(beta=live.BETA)

    def step(frame, state):
        spikes, one = first(hidden(frame), state[0])
        spikes, two = second(output(spikes), state[1])
        return spikes, (one, two)

    state = torch.zeros(1, live.HIDDEN), torch.zeros(1, live.OUTPUTS)
    return torch.compile(step) if variant == "compiled" else step, state


if __name__ == "__main__":
    live.serve(prepare, ("eager", "compiled"), ("snntorch", "torch"))
