"""lava-dl: SLAYER's CUBA blocks. Variants: "float" weights, and "delays" (learned, 8-bit weights).

Its tensors have time last: (batch, channels, height, width, time).
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "interop" / "peers"))
import lava_python311  # noqa: F401, I001  (before lava)
import torch
from lava.lib.dl.slayer import block, neuron
from torch import nn

from peers import protocol, torch_training
from peers.networks import HIDDEN_RATE, Conv, Pool

PACKAGES = ("lava-dl", "torch")
# At 1 the weights would be lost in the rounding to the chip's, steps of 1/32 up to 4.
THRESHOLD = 4.0
# Spikes per input and step of the last layer: after W4's pools hidden neurons fire more here than
# elsewhere, and outputs with weights for fewer spikes would fire at more than every other step.
HIDDEN_RATES = {"w4": 0.05}


def neuron_parameters(tau):
    decay = 1 - float(protocol.lif_kernel(tau)[1])
    return {"threshold": THRESHOLD, "current_decay": decay, "voltage_decay": decay}


def make_block(layer, kernel, tau, options):
    spec, parameters = layer.spec, neuron_parameters(tau)
    if isinstance(spec, Pool):
        made = block.cuba.Pool(parameters, spec.size, pre_hook_fx=None)
        made.synapse.weight.requires_grad_(False).fill_(protocol.pool_weight(kernel, THRESHOLD))
        return made
    if isinstance(spec, Conv):
        made = block.cuba.Conv(
            parameters,
            layer.inputs[2],
            spec.filters,
            spec.kernel,
            padding=spec.padding,
            **options,
        )
    else:
        made = block.cuba.Dense(parameters, layer.fan_in, spec.units, **options)
    deviation = protocol.weight_deviation(kernel, layer.fan_in, layer.rate, THRESHOLD)
    nn.init.normal_(made.synapse.weight, std=deviation)
    return made


class Net(nn.Module):
    def __init__(self, settings):
        super().__init__()
        tau = settings.network.tau
        # Without `pre_hook_fx` the blocks round their weights to the chip's.
        options = {"delay": True} if settings.variant == "delays" else {"pre_hook_fx": None}
        rate = HIDDEN_RATES.get(settings.workload, HIDDEN_RATE)
        self.layers = settings.network.layers(settings.density, rate)
        self.blocks = nn.ModuleList(
            make_block(layer, protocol.cuba_kernel(tau), tau, options) for layer in self.layers
        )

    def forward(self, x, watch):
        for one, layer in zip(self.blocks, self.layers, strict=True):
            if isinstance(layer.spec, Pool):
                # lava-dl pads an image that the windows do not divide; the others cut it.
                height, width = (size * layer.spec.size for size in layer.outputs[:2])
                x = x[:, :, :height, :width]
            if isinstance(one, block.cuba.Dense) and x.ndim == 5:
                x = x.flatten(1, 3)
            x = one(x)
            if watch is not None:
                watch.append(x.mean().item())
        return x


def time_last(x):
    return x.movedim(0, -1).contiguous()


def prepare(settings):
    torch_training.set_up(settings)
    if not settings.network.specs:
        tau = settings.network.tau
        z, grad_spikes = torch_training.scaled_noise(settings, protocol.cuba_kernel(tau))
        fires = neuron.cuba.Neuron(**neuron_parameters(tau))
        z = time_last(z * THRESHOLD)
        return torch_training.neurons_work(fires, z, time_last(grad_spikes), PACKAGES)
    x, y = torch_training.time_first(settings)
    model, x = Net(settings), time_last(x)
    with torch.no_grad():
        model(x, None)  # shapes, and with them the delays, are settled at the first call
    return torch_training.network_work(model, x, y, time_axis=-1, packages=PACKAGES)


if __name__ == "__main__":
    protocol.serve(prepare, ("float", "delays"))
