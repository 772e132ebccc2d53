"""snnTorch: Leaky neurons, as its tutorials write them and in the fastest form found.

Variants: "loop" has products and neurons in one Python loop over time; "compiled"
takes the products out of it, and compiles the neurons' loop in pieces.
"""

import math

import snntorch
import torch
from peers import protocol, torch_training
from torch import nn

# Steps in one compiled piece: longer ones take minutes to compile.
PIECE = 25
# Every layer compiles its own, and the default allows eight.
torch._dynamo.config.recompile_limit = 64


def fire_steps(neuron, z, membrane):
    spikes = []
    for step in z:
        spike, membrane = neuron(step, membrane)
        spikes.append(spike)
    return torch.stack(spikes), membrane


class Fire:
    """Spikes (time, ...) of input of that shape."""

    def __init__(self, compiled):
        self.piece = PIECE if compiled else 10**9
        self.steps = torch.compile(fire_steps, dynamic=False) if compiled else fire_steps

    def __call__(self, neuron, z):
        # With a gradient like that of all later pieces, so that one compiled form does for all.
        membrane, spikes = torch.zeros_like(z[0]).requires_grad_(z.requires_grad), []
        for piece in z.split(self.piece):
            fired, membrane = self.steps(neuron, piece, membrane)
            spikes.append(fired)
        return torch.cat(spikes)


class Net(nn.Module):
    def __init__(self, settings, neuron, kernel):
        super().__init__()
        layers = settings.network.layers(settings.density)
        self.synapses = nn.ModuleList(torch_training.synapse(layer, kernel) for layer in layers)
        self.neurons = nn.ModuleList(neuron() for _ in layers)
        self.fire = Fire(compiled=True) if settings.variant == "compiled" else None
        self.watching = Fire(compiled=False)

    def forward(self, x, watch):
        return self.layer_by_layer(x, watch) if self.fire else self.step_by_step(x, watch)

    def layer_by_layer(self, x, watch):
        fire = self.fire if watch is None else self.watching
        for synapse, neuron in zip(self.synapses, self.neurons, strict=True):
            z = synapse(x.flatten(0, 1))
            x = fire(neuron, z.unflatten(0, x.shape[:2]))
            if watch is not None:
                watch.append(x.mean().item())
        return x

    def step_by_step(self, x, watch):
        membranes = [None] * len(self.neurons)
        rates, spikes = [0.0] * len(self.neurons), []
        for step in x:
            for index, synapse in enumerate(self.synapses):
                z = synapse(step)
                before = torch.zeros_like(z) if membranes[index] is None else membranes[index]
                step, membranes[index] = self.neurons[index](z, before)
                if watch is not None:
                    rates[index] += step.mean().item() / len(x)
            spikes.append(step)
        if watch is not None:
            watch.extend(rates)
        return torch.stack(spikes)


def prepare(settings):
    torch_training.set_up(settings)
    tau = settings.network.tau
    kernel, packages = protocol.lif_kernel(tau), ("snntorch", "torch")

    def neuron():
        return snntorch.Leaky(beta=math.exp(-1 / tau))

    if not settings.network.specs:
        z, grad_spikes = torch_training.scaled_noise(settings, kernel)
        fire, watching = Fire(settings.variant == "compiled"), Fire(compiled=False)
        single = neuron()

        def run(z):
            return (fire if torch.is_grad_enabled() else watching)(single, z)

        return torch_training.neurons_work(run, z, grad_spikes, packages)
    model = Net(settings, neuron, kernel)
    x, y = torch_training.time_first(settings)
    return torch_training.network_work(model, x, y, time_axis=0, packages=packages)


if __name__ == "__main__":
    protocol.serve(prepare, ("loop", "compiled"))
