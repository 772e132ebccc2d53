"""Norse: its LIF neurons without a current ("box"), in snnTorch's fastest form.

That is the products outside the loop over time, and the loop compiled in pieces
(snntorch_step.py); Norse's own modules step through time in Python.
"""

import math

import torch
from norse.torch.functional import lif_box
from peers import protocol, torch_training
from peers.snntorch_step import Fire, Net
from torch import nn

PACKAGES = ("norse", "torch")


class LIFBox(nn.Module):
    """(input, membrane) -> (spikes, membrane), with constants instead of Norse's tensors."""

    def __init__(self, leak):
        super().__init__()
        # Norse's step is 1 ms, its rates are per second.
        self.constants = lif_box.LIFBoxParameters(
            tau_mem_inv=1000 * leak, v_leak=0.0, v_th=1.0, v_reset=0.0, alpha=100.0
        )

    def forward(self, z, membrane):
        state = lif_box.LIFBoxFeedForwardState(membrane)
        spikes, state = lif_box.lif_box_feed_forward_step(z, state, self.constants)
        return spikes, state.v


def prepare(settings):
    torch_training.set_up(settings)
    tau = settings.network.tau
    leak = 1 - math.exp(-1 / tau)
    kernel = leak * protocol.lif_kernel(tau)

    def neuron():
        return LIFBox(leak)

    if not settings.network.specs:
        z, grad_spikes = torch_training.scaled_noise(settings, kernel)
        compiled, plain, single = Fire(compiled=True), Fire(compiled=False), neuron()

        def run(z):
            return (compiled if torch.is_grad_enabled() else plain)(single, z)

        return torch_training.neurons_work(run, z, grad_spikes, PACKAGES)
    model = Net(settings, neuron, kernel)
    x, y = torch_training.time_first(settings)
    return torch_training.network_work(model, x, y, time_axis=0, packages=PACKAGES)


if __name__ == "__main__":
    protocol.serve(prepare, ("compiled",))
