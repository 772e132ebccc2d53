"""What the peers on PyTorch share: synapses, loss, optimiser, the step."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from peers import protocol
from peers.networks import Conv, Dense, Pool
from torch import nn


class SumPool(nn.Module):
    """Window sums under one fixed weight."""

    def __init__(self, size, weight):
        super().__init__()
        self.size, self.scale = size, size**2 * weight

    def forward(self, x):
        return functional.avg_pool2d(x, self.size) * self.scale


def synapse(layer, kernel) -> nn.Module:
    """Synapses of one layer on frames (frames, channels, height, width) or (frames, inputs).

    Args:
        layer: a `networks.Layer`.
        kernel: membrane response of the neurons that it feeds, threshold 1.
    """
    spec = layer.spec
    if isinstance(spec, Pool):
        return SumPool(spec.size, protocol.pool_weight(kernel))
    if isinstance(spec, Conv):
        made = nn.Conv2d(
            layer.inputs[2], spec.filters, spec.kernel, padding=spec.padding, bias=False
        )
        weight = made.weight
    else:
        assert isinstance(spec, Dense)
        linear = nn.Linear(math.prod(layer.inputs), spec.units, bias=False)
        made, weight = nn.Sequential(nn.Flatten(), linear), linear.weight
    nn.init.normal_(weight, std=protocol.weight_deviation(kernel, layer.fan_in, layer.rate))
    return made


def time_first(settings):
    """Spikes (time, batch, channels, height, width) or (time, batch, inputs), and labels."""
    x, y = protocol.events(settings, settings.network.layers()[-1].outputs[-1])
    x = torch.from_numpy(x).transpose(0, 1)
    if x.ndim == 5:
        x = x.permute(0, 1, 4, 2, 3)
    return x.contiguous(), torch.from_numpy(y)


def set_up(settings):
    torch.manual_seed(1)
    torch.set_num_threads(settings.threads)


def network_work(model, x, y, *, time_axis, packages) -> protocol.Work:
    """Training steps of `model`, called as model(x, watch): spikes of the last layer.

    `watch`, a list or None, gets each layer's spikes per neuron and step.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(weights, protocol.LEARNING_RATE, fused=True)
    losses = []

    def step():
        optimizer.zero_grad(set_to_none=True)
        counts = model(x, None).sum(time_axis)
        loss = functional.cross_entropy(protocol.LOSS_SCALE * counts, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    def facts():
        rates = []
        with torch.no_grad():
            model(x, rates)
        named = model.named_parameters()
        count = sum(w.numel() for name, w in named if name.endswith("weight") and w.requires_grad)
        return {"losses": losses, "rates": rates, "weights": count}

    return protocol.Work(step, facts, packages)


def neurons_work(fire, z, grad_spikes, packages) -> protocol.Work:
    """Neurons alone: spikes of input `z` and the gradient of `z`."""
    z.requires_grad_(True)

    def step():
        z.grad = None
        fire(z).backward(grad_spikes)

    def facts():
        if not torch.isfinite(z.grad).all() or not z.grad.any():
            raise RuntimeError("the gradient is zero or not finite")
        with torch.no_grad():
            return {"rates": [fire(z).mean().item()]}

    return protocol.Work(step, facts, packages)


def scaled_noise(settings, kernel):
    """Noise (time, batch, neurons) under which the membrane fluctuates around half a threshold."""
    z, grad_spikes = (torch.from_numpy(n).transpose(0, 1) for n in protocol.noise(settings))
    deviation = protocol.weight_deviation(kernel, 1, 1.0)
    return (z * deviation).contiguous(), grad_spikes.contiguous()
