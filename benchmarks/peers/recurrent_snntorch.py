"""snnTorch: RLeaky or RSynaptic, the loop over time compiled in pieces, the other products outside.

Variants: "leaky compiled", "synaptic compiled", and without "compiled" plain Python loops.
"""

import math

import numpy as np
import snntorch
import torch
from peers import protocol, recurrent_work, torch_training
from peers.recurrent_work import CLASSES, INPUTS, TAU, UNITS
from peers.snntorch_step import fire_steps
from torch import nn

# Steps in one compiled piece: twice as many take more than twice as long to compile.
PIECE = 10
SYNAPSE = 0.8  # of its current, kept per step


def fire_recurrent_steps(neuron, z, states):
    spikes = []
    for step in z:
        states = neuron(step, *states)
        spikes.append(states[0])
    return torch.stack(spikes), states


class Net(nn.Module):
    def __init__(self, settings, kernel):
        super().__init__()
        keep = math.exp(-1 / TAU)
        if settings.variant.startswith("leaky"):
            self.hidden, self.states = snntorch.RLeaky(beta=keep, linear_features=UNITS), 2
        else:
            self.hidden = snntorch.RSynaptic(alpha=SYNAPSE, beta=keep, linear_features=UNITS)
            self.states = 3
        self.readout = snntorch.Leaky(beta=keep)
        self.inputs = nn.Linear(INPUTS, UNITS, bias=False)
        self.outputs = nn.Linear(UNITS, CLASSES, bias=False)
        between = self.hidden.recurrent
        nn.init.zeros_(between.bias)
        between.bias.requires_grad_(False)
        weights = (self.inputs.weight, between.weight, self.outputs.weight)
        deviations = recurrent_work.deviations(
            kernel, settings.density, readout=protocol.lif_kernel(TAU)
        )
        for weight, deviation in zip(weights, deviations, strict=True):
            nn.init.normal_(weight, std=deviation)
        self.plain = fire_recurrent_steps, fire_steps
        self.steps = self.plain
        if settings.variant.endswith("compiled"):
            self.steps = tuple(torch.compile(f, dynamic=False) for f in self.plain)

    def forward(self, x, watch):
        recurrent, leaky = self.steps if watch is None else self.plain
        z = self.inputs(x)
        states = tuple(
            torch.zeros_like(z[0]).requires_grad_(z.requires_grad) for _ in range(self.states)
        )
        spikes = []
        for piece in z.split(PIECE):
            fired, states = recurrent(self.hidden, piece, states)
            spikes.append(fired)
        hidden = torch.cat(spikes)
        z, spikes = self.outputs(hidden), []
        membrane = torch.zeros_like(z[0]).requires_grad_(z.requires_grad)
        for piece in z.split(PIECE):
            fired, membrane = leaky(self.readout, piece, membrane)
            spikes.append(fired)
        out = torch.cat(spikes)
        if watch is not None:
            watch.extend([hidden.mean().item(), out.mean().item()])
        return out


def prepare(settings):
    torch_training.set_up(settings)
    kernel = protocol.lif_kernel(TAU)
    if settings.variant.startswith("synaptic"):
        kernel = np.convolve(kernel, SYNAPSE ** np.arange(len(kernel)))[: len(kernel)]
    model = Net(settings, kernel)
    x, y = recurrent_work.events(settings)
    x = torch.from_numpy(x).transpose(0, 1).contiguous()
    packages = ("snntorch", "torch")
    return torch_training.network_work(
        model, x, torch.from_numpy(y), time_axis=0, packages=packages
    )


if __name__ == "__main__":
    protocol.serve(prepare, ("leaky", "synaptic", "leaky compiled", "synaptic compiled"))
