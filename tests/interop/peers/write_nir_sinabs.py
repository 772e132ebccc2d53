"""Writes ``.nir`` files with sinabs, and what the networks do there: see nir_written.main.

    python write_nir_sinabs.py FOLDER

Runs in an environment of its own (requirements-peers.txt), which has none of TensorFlow, Keras or
keras_slayer.
"""

import nir_written
import sinabs.activation as activation
import sinabs.layers as layers
import sinabs.nir
import torch


def networks():
    linear = torch.nn.Linear
    one, many = activation.SingleSpike, activation.MultiSpike
    zero, subtract = activation.MembraneReset(), activation.MembraneSubtract()

    def iaf(*shape, spike_fn=one, reset_fn=subtract):
        return layers.IAFSqueeze(
            batch_size=nir_written.BATCH,
            spike_threshold=torch.full(shape, 1.0),
            spike_fn=spike_fn,
            reset_fn=reset_fn,
            min_v_mem=None,
        )

    def lif(*shape, tau=20.0, spike_fn=one, reset_fn=subtract):
        return layers.LIFSqueeze(
            batch_size=nir_written.BATCH,
            tau_mem=torch.full(shape, tau),
            spike_threshold=torch.full(shape, 0.3),
            spike_fn=spike_fn,
            reset_fn=reset_fn,
        )

    sinabs_how = {"tool": "sinabs"}
    zero_how = {"tool": "sinabs", "reset": "zero"}
    image = (
        (2, 8, 8),
        torch.nn.Conv2d(2, 4, 3, bias=False),
        iaf(4, 6, 6),
        layers.SumPool2d(2),
        torch.nn.Flatten(),
        linear(36, 10),
        iaf(10),
    )
    nets = {
        "iaf": (((30,), linear(30, 20), iaf(20), linear(20, 10), iaf(10)), sinabs_how),
        "image": (image, sinabs_how),
        "lif_zero": (
            (
                (30,),
                linear(30, 20),
                lif(20, reset_fn=zero),
                linear(20, 10),
                lif(10, tau=5.0, reset_fn=zero),
            ),
            zero_how,
        ),
        "lif_subtract": (((30,), linear(30, 20), lif(20), linear(20, 10), lif(10)), sinabs_how),
        "many_spikes": (
            (
                (30,),
                linear(30, 20),
                iaf(20, spike_fn=many),
                linear(20, 10),
                iaf(10, spike_fn=many),
            ),
            sinabs_how,
        ),
    }
    for name, ((shape, *modules), how) in nets.items():
        net = nir_written.lively(torch.nn.Sequential(*modules))
        spikes = nir_written.spikes_of(shape)

        def run(net=net, spikes=spikes):
            for module in net:
                if hasattr(module, "reset_states"):
                    module.reset_states()
            flat = net(spikes.flatten(0, 1))
            return flat.unflatten(0, spikes.shape[:2])

        expected = run()
        graph = sinabs.nir.to_nir(net, spikes.flatten(0, 1))
        graph.infer_types()  # else nir.write fails on the convolution
        yield name, graph, spikes, expected, how


if __name__ == "__main__":
    nir_written.main(__doc__, networks)
