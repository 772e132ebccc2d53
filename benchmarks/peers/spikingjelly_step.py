"""spikingjelly: multi-step neurons with its torch backend. Variants: "lif" and "cuba"."""

import math

from peers import protocol, torch_training
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

PACKAGES = ("spikingjelly", "torch")


def make_neuron(variant, tau):
    """(neuron of threshold 1 in multi-step mode, its response)."""
    decay = 1 - math.exp(-1 / tau)
    if variant == "lif":
        made = neuron.LIFNode(1 / decay, decay_input=False)
        kernel = protocol.lif_kernel(tau)
    else:
        # The decays are the shares that stay.
        made = neuron.CUBALIFNode(1 - decay, 1 - decay, v_threshold=1.0)
        kernel = protocol.cuba_kernel(tau)
    functional.set_step_mode(made, "m")
    return made, kernel


class Net(nn.Module):
    def __init__(self, settings):
        super().__init__()
        self.synapses, self.neurons = nn.ModuleList(), nn.ModuleList()
        for one in settings.network.layers(settings.density):
            fires, kernel = make_neuron(settings.variant, settings.network.tau)
            self.synapses.append(layer.SeqToANNContainer(torch_training.synapse(one, kernel)))
            self.neurons.append(fires)

    def forward(self, x, watch):
        functional.reset_net(self)
        for synapse, fire in zip(self.synapses, self.neurons, strict=True):
            x = fire(synapse(x))
            if watch is not None:
                watch.append(x.mean().item())
        return x


def prepare(settings):
    torch_training.set_up(settings)
    if not settings.network.specs:
        fires, kernel = make_neuron(settings.variant, settings.network.tau)

        def fire(z):
            functional.reset_net(fires)
            return fires(z)

        z, grad_spikes = torch_training.scaled_noise(settings, kernel)
        return torch_training.neurons_work(fire, z, grad_spikes, PACKAGES)
    x, y = torch_training.time_first(settings)
    return torch_training.network_work(Net(settings), x, y, time_axis=0, packages=PACKAGES)


if __name__ == "__main__":
    protocol.serve(prepare, ("lif", "cuba"))
