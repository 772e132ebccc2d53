"""lava-dl's recipe for N-MNIST, from its tutorial, on the network 2312-512-10.

CUBA neurons with learned decays, 8-bit weights, weight normalisation, learned delays,
dropout of 5 %, SpikeRate loss, Adam at 1e-3, batches of 32.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "interop" / "peers"))
import lava_python311  # noqa: F401, I001  (before lava)
import torch
from lava.lib.dl import slayer
from torch import nn

from peers import learning

PARAMETERS = {
    "threshold": 1.25,
    "current_decay": 0.25,
    "voltage_decay": 0.03,
    "tau_grad": 0.03,
    "scale_grad": 3,
    "requires_grad": True,
}
BATCH, EPOCHS, HIDDEN, CLASSES = 32, 200, 512, 10


def build(inputs):
    dropped = {**PARAMETERS, "dropout": slayer.neuron.Dropout(p=0.05)}
    dense = slayer.block.cuba.Dense
    return nn.Sequential(
        dense(dropped, inputs, HIDDEN, weight_norm=True, delay=True),
        dense(PARAMETERS, HIDDEN, CLASSES, weight_norm=True),
    )


def make(task, recordings):
    torch.manual_seed(task.seed)
    torch.set_num_threads(task.threads)
    network = build(recordings.inputs)
    loss = slayer.loss.SpikeRate(true_rate=0.2, false_rate=0.03, reduction="sum")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def time_last(spikes):
        return torch.from_numpy(spikes).transpose(1, 2).contiguous()

    def step(spikes, labels):
        network.train()
        optimizer.zero_grad()
        loss(network(time_last(spikes)), torch.from_numpy(labels)).backward()
        optimizer.step()

    def predict(spikes):
        network.eval()
        with torch.no_grad():
            return slayer.classifier.Rate.predict(network(time_last(spikes))).numpy()

    return learning.Trainer(BATCH, EPOCHS, step, predict)


if __name__ == "__main__":
    learning.run(make)
