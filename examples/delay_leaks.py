"""The task of examples/delays.py without delays: neurons that forget too soon learn not to.

    python examples/delays.py --leaks

    inputs -> 32 CUBA neurons -> one CUBA neuron per class

Spikes come 8 ms apart. Neurons with time constants of 1 ms, those of the delays' detectors, have
forgotten one when the next comes. They are compared with the same that learn their decays and
thresholds, each neuron its own, and with fixed constants that suit the task, chosen by hand.
"""

import dataclasses

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import keras_slayer as ks
from keras_slayer.optimizers import ScaledAdam

HIDDEN = 32
LEARNED = ("current_decay", "voltage_decay", "threshold")
DECAYS_FASTER = 30.0  # than the weights
LEARNING_RATE = 4e-3


@dataclasses.dataclass(frozen=True)
class Network:
    tau: float  # ms, of synapse and membrane
    learn: bool = False


NETWORKS = {
    "1 ms": Network(1.0),
    "from 1 ms, learned": Network(1.0, learn=True),
    "2 ms, by hand": Network(2.0),
    "5 ms, by hand": Network(5.0),
}
QUICK = ("1 ms", "from 1 ms, learned")


def build_model(network, steps, inputs, classes):
    options = {"neuron": ks.CUBA(tau_current=network.tau, tau_voltage=network.tau)}
    if network.learn:
        options |= {"learn": LEARNED, "per": "channel"}
    return keras.Sequential(
        [
            keras.Input((steps, inputs)),
            ks.SpikingDense(HIDDEN, **options, name="hidden"),
            ks.SpikingDense(classes, **options, name="classes"),
        ]
    )


def train(network, spikes, labels, classes, epochs):
    model = build_model(network, *spikes.shape[1:], classes)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * -(-len(spikes) // 32))
    factors = dict.fromkeys(LEARNED[:2], DECAYS_FASTER) if network.learn else None
    model.compile(
        ScaledAdam(rate, factors=factors, global_clipnorm=1.0),
        ks.SpikeMaxLoss(),
        metrics=[ks.SpikeCountAccuracy(name="accuracy")],
    )
    rates = ks.SetFiringRates(spikes[:64])
    model.fit(spikes, labels, batch_size=32, epochs=epochs, callbacks=[rates], verbose=0)
    return model


def time_constants(model):
    """Lowest, middle and highest of the hidden neurons' membranes, in steps of 1 ms."""
    layer = model.get_layer("hidden")
    decay = layer.learned_parameters().get("voltage_decay", layer.neuron.voltage_decay)
    return np.quantile(-1 / np.log1p(-np.asarray(decay)), [0, 0.5, 1])


def compare(draw, classes, arguments):
    """Trains all networks and prints what they reach.

    Args:
        draw: gives ((spikes, labels) to train, (spikes, labels) to test) for a seed.
    """
    names = QUICK if arguments.quick else NETWORKS
    results = {name: [] for name in names}
    spans = {}
    for seed in range(arguments.seeds):
        training, test = draw(seed)
        for name in names:
            keras.utils.set_random_seed(seed)
            model = train(NETWORKS[name], *training, classes, arguments.epochs)
            results[name].append(model.evaluate(*test, verbose=0, return_dict=True)["accuracy"])
            spans[name] = time_constants(model)
            print(f"seed {seed}, {name}: {results[name][-1]:.1%}", flush=True)
    table = Table(title=f"Order of spikes without delays (chance {1 / classes:.1%})")
    for column in ("time constants", "test accuracy", "of each seed", "membranes, last seed"):
        table.add_column(column, justify="left" if column == "time constants" else "right")
    for name, values in results.items():
        low, middle, high = spans[name]
        seeds = " ".join(f"{value:.1%}" for value in values)
        table.add_row(
            name, f"{np.mean(values):.1%}", seeds, f"{low:.1f}, {middle:.1f}, {high:.0f} ms"
        )
    Console().print(table)
    return results
