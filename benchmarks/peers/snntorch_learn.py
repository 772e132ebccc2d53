"""snnTorch's recipe for N-MNIST, from its tutorial 7, on the network 2312-512-10.

Leaky neurons (beta 0.5, arctan surrogate), biases, mean squared error of counts towards
80 and 20 % of the steps, Adam at 2e-2, batches of 128. The loop over time is compiled,
as in snntorch_step.py: faster than the tutorial's.
"""

import snntorch
import torch
from peers import learning
from peers.snntorch_step import Fire
from snntorch import functional, surrogate
from torch import nn

BETA, BATCH, EPOCHS, HIDDEN, CLASSES = 0.5, 128, 200, 512, 10


class Net(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.synapses = nn.ModuleList([nn.Linear(inputs, HIDDEN), nn.Linear(HIDDEN, CLASSES)])
        self.neurons = nn.ModuleList(
            snntorch.Leaky(beta=BETA, spike_grad=surrogate.atan()) for _ in self.synapses
        )
        self.compiled, self.plain = Fire(compiled=True), Fire(compiled=False)

    def forward(self, x):
        fire = self.compiled if self.training else self.plain
        for synapse, neuron in zip(self.synapses, self.neurons, strict=True):
            x = fire(neuron, synapse(x))
        return x


def make(task, recordings):
    torch.manual_seed(task.seed)
    torch.set_num_threads(task.threads)
    network = Net(recordings.inputs)
    loss = functional.mse_count_loss(correct_rate=0.8, incorrect_rate=0.2)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-2)

    def time_first(spikes):
        return torch.from_numpy(spikes).transpose(0, 1).contiguous()

    def step(spikes, labels):
        network.train()
        optimizer.zero_grad()
        loss(network(time_first(spikes)), torch.from_numpy(labels)).backward()
        optimizer.step()

    def predict(spikes):
        network.eval()
        with torch.no_grad():
            return network(time_first(spikes)).sum(0).argmax(-1).numpy()

    # Compiled before the clock starts; a batch of another size would be compiled anew.
    network(torch.zeros(recordings.steps, BATCH, recordings.inputs)).sum().backward()
    return learning.Trainer(BATCH, EPOCHS, step, predict, last_partial=False)


if __name__ == "__main__":
    learning.run(make)
