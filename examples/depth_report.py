"""The tables that depth.py, beside this module, prints."""

import numpy as np
from rich.console import Console
from rich.table import Table


def grouped(runs):
    """The runs of each network and optimizer, in order."""
    groups = {}
    for run in runs:
        groups.setdefault((run.network, run.optimizer), []).append(run)
    return list(groups.values())


def extremes(rates) -> str:
    return f"{np.min(rates):.3f} to {np.max(rates):.3f}"


def failures(runs) -> str:
    return f"{sum(run.failed for run in runs)} of {len(runs)}"


def report(name, runs, arguments):
    table = Table(
        title=f"{name}: {arguments.layers} spiking layers, {arguments.epochs} epochs",
        caption="Rates: spikes per neuron and step, least and most of the layers. "
        "Gradient: norm for the weights of the first and of the last layer before training.",
    )
    for column in ("gradient", "optimizer", "rates before", "rates after", "first", "last"):
        table.add_column(column)
    for column in ("test accuracy by seed", "below 20%", "s"):
        table.add_column(column, justify="right")
    for group in grouped(runs):
        table.add_row(
            group[0].network.what,
            group[0].optimizer,
            extremes([run.rates for run in group]),
            extremes([run.end_rates for run in group]),
            *(f"{np.median([run.norms[layer] for run in group]):.1e}" for layer in (0, -1)),
            ", ".join(f"{run.accuracies[-1]:.1%}" for run in group),
            failures(group),
            f"{np.mean([run.seconds for run in group]):.0f}",
        )
    Console().print(table)


def report_claims(runs, networks):
    """What EXODUS' authors say of the two gradients, beside the same thing here.

    `networks`: that with SLAYER's gradient and that with EXODUS', both at scale 1.
    """
    untuned = [[run for run in runs if run.network is network] for network in networks]
    if not all(untuned):
        return
    table = Table(title="Published (Bauer et al. 2023) and measured")
    gradients = [network.gradient for network in networks]
    for column in ("claim", *gradients):
        table.add_column(column)
    table.add_row(
        "SLAYER's gradient is unstable in depth. First layer's norm over the last's:",
        *(f"{np.median([run.norms[0] / run.norms[-1] for run in part]):.1e}" for part in untuned),
    )
    table.add_row(
        "EXODUS needs no scale tuned by hand. Runs below 20 % at scale 1:", *map(failures, untuned)
    )
    best = [
        max(
            np.mean([run.accuracies[-1] for run in group])
            for group in grouped(runs)
            if group[0].network.gradient == gradient and group[0].network.set_rates
        )
        for gradient in gradients
    ]
    table.add_row(
        "Its accuracy is comparable or better. Mean of the best setting:",
        *(f"{accuracy:.1%}" for accuracy in best),
    )
    Console().print(table)
