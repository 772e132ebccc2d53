"""The result card of reproduce.py, beside this module: JSON and Markdown."""

import json
import os
import pathlib
import platform
import resource
import subprocess

import keras
import numpy as np
import tensorflow as tf

import keras_slayer as ks
from keras_slayer import datasets

SHUFFLED = 4096  # recordings that reproduce.py draws from at once
BYTES = 4  # of an event, where they wait for that


class Card:
    """What a training came to.

    Args:
        name: of the task.
        task, data: as in reproduce_tasks.py.
        epochs: of each seed.
    """

    def __init__(self, name, task, data, epochs):
        self.name, self.task, self.data, self.epochs = name, task, data, epochs
        self.results = []

    def add(self, seed, accuracy, history, profile, chip):
        """A seed whose training is done; ``chip`` None for networks that are not on it."""
        total = profile.total
        result = {
            "seed": seed,
            "accuracy": accuracy,
            "seconds": sum(epoch["seconds"] for epoch in history),
            "processor_seconds": sum(epoch["processor_seconds"] for epoch in history),
            "loss": [epoch["loss"] for epoch in history],
            "parameters": total.parameters,
            "synaptic_operations": total.synaptic_operations,
            "dense_operations": total.dense,
            "joules_by_count": profile.energy(),
            "loihi": chip,
        }
        self.results.append(result)

    @property
    def full(self):
        """The record of the set that the published figures are for."""
        return next(r for r in datasets.available(show=False) if r.name == self.data.record)

    def to_dict(self):
        train, test = len(self.data.train), len(self.data.test)
        accuracies = [result["accuracy"] for result in self.results]
        return {
            "task": self.name,
            "network": self.task.network,
            "published": [list(row) for row in self.task.published],
            "data": self.data.name,
            "recordings": {"train": train, "test": test},
            "full_set": train == self.full.train and test == self.full.test,
            "epochs": self.epochs,
            "batch_size": self.task.batch_size,
            "accuracy": {
                "mean": float(np.mean(accuracies)),
                "least": min(accuracies),
                "most": max(accuracies),
            },
            "seeds": self.results,
            "memory_bytes": peak_memory(),
            "extrapolated": self.extrapolated(),
            "machine": {"processor": processor(), "cores": os.cpu_count()},
            "versions": versions(),
            "commit": commit(),
        }

    def extrapolated(self):
        """For the full set and these epochs, from the processor time of a recording here.

        It is no measurement: larger recordings take longer. None where it was the full set.
        """
        train, full = len(self.data.train), self.full.train
        if train == full:
            return None
        each = np.mean([r["processor_seconds"] for r in self.results]) / (self.epochs * train)
        return {
            "recordings": full,
            "processor_seconds_per_recording": float(each),
            "processor_hours_per_seed": float(each * full * self.epochs / 3600),
            "memory_bytes": peak_memory() + self._waiting_bytes(min(full, SHUFFLED) - train),
        }

    def _waiting_bytes(self, more):
        """Of so many recordings more, that wait to be drawn."""
        some = [len(events["t"]) for events, _ in self.data.train.take(16).as_numpy_iterator()]
        return int(max(0, more) * BYTES * np.mean(some))

    def to_json(self):
        return json.dumps(self.to_dict(), indent=1) + "\n"

    def to_markdown(self):
        card = self.to_dict()
        mean, least, most = (card["accuracy"][name] for name in ("mean", "least", "most"))
        count = card["recordings"]
        full = "the full set" if card["full_set"] else "not the set that was published on"
        first = self.results[0]
        rows = [
            ("network", card["network"]),
            ("weights", f"{first['parameters']:,}"),
            (
                "data",
                f"{card['data']}, {count['train']:,} + {count['test']:,} recordings: {full}",
            ),
            ("epochs, batch", f"{card['epochs']}, {card['batch_size']}"),
            ("test accuracy, mean", f"{mean:.2%} ({least:.2%} to {most:.2%})"),
            *((f"seed {r['seed']}", f"{r['accuracy']:.2%}") for r in self.results),
            *((f"published: {what}", figure) for figure, what in card["published"]),
            *self._cost_rows(first),
            *self._chip_rows(),
            ("peak memory", f"{card['memory_bytes'] / 2**30:.1f} GiB"),
            *self._full_rows(card["extrapolated"]),
            ("machine", f"{card['machine']['processor']}, {card['machine']['cores']} cores"),
            ("versions", ", ".join(f"{k} {v}" for k, v in card["versions"].items())),
            ("commit", card["commit"]),
        ]
        lines = [f"# {self.name}", "", "| what | result |", "|---|---|"]
        return "\n".join([*lines, *(f"| {what} | {result} |" for what, result in rows)]) + "\n"

    def _cost_rows(self, first):
        seconds = np.mean([r["seconds"] for r in self.results])
        processor_seconds = np.mean([r["processor_seconds"] for r in self.results])
        return [
            (
                "training of a seed",
                f"{seconds / 60:.1f} minutes, {processor_seconds / 60:.1f} of processor time",
            ),
            (
                "synaptic operations per recording",
                f"{first['synaptic_operations']:,.0f} of {first['dense_operations']:,.0f} dense",
            ),
            (
                "energy of these, a count (`ks.profile`)",
                f"{1e6 * first['joules_by_count']:.2f} µJ per recording",
            ),
        ]

    def _chip_rows(self):
        chips = [r["loihi"] for r in self.results if r["loihi"]]
        if not chips:
            return []
        chip = chips[0]
        shares = ", ".join(f"{c['accuracy']:.2%}" for c in chips)
        return [
            ("exported file, simulated chip", f"{shares}; {chip['cores']} cores of {chip['chip']}"),
            ("output spikes that differ", str(sum(c["spikes that differ"] for c in chips))),
            (
                "energy on Loihi 1, an estimate of the report",
                f"{1e6 * chip['joules per recording']:.1f} µJ per recording",
            ),
        ]

    @staticmethod
    def _full_rows(more):
        if more is None:
            return []
        return [
            (
                f"the full set, {more['recordings']:,} recordings: extrapolated",
                f"{more['processor_hours_per_seed']:.2g} hours of processor time per seed "
                f"({1000 * more['processor_seconds_per_recording']:.0f} ms per recording and "
                f"epoch), {more['memory_bytes'] / 2**30:.1f} GiB",
            )
        ]

    def write(self, folder):
        """Writes card.json and card.md, and returns their paths."""
        folder = pathlib.Path(folder)
        texts = {"card.json": self.to_json(), "card.md": self.to_markdown()}
        for name, text in texts.items():
            (folder / name).write_text(text)
        return [folder / name for name in texts]


def peak_memory():
    """Bytes that this process has had at most."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def processor():
    """Its name, where the system gives it."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def versions():
    return {
        "keras_slayer": ks.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def commit():
    """Of the checkout that this module lies in; "unknown" outside one."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=7"],
        cwd=pathlib.Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
