"""Training in processes that are killed at random and go on from their last checkpoint.

Every process writes the loss of each epoch to a file. In the end these must be the losses of a run
that nothing interrupted, to the bit. A checkpoint is the whole model in one ``.keras`` file, which
appears whole or not at all; its name says the epoch.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

from soak.memory import Resident

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORKERS = 2
EPOCHS = 100_000  # more than there is time for


def worker(folder: pathlib.Path, epochs: int, forget: bool = False) -> None:
    """Trains to the last epoch from the newest checkpoint; ``forget``: from its weights alone."""
    import keras

    from keras_slayer.files import writing
    from soak import network

    model, first = network.classifier(), 0
    if found := newest(folder):
        first = int(re.search(r"\d+", found.name)[0])
        model = keras.models.load_model(found)
        if forget:
            model.compile(keras.optimizers.Nadam(0.01), loss=model.loss)
    memory = Resident()

    class Checkpoint(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            memory.look()
            # First: an epoch that is killed between the two is written twice, and never left out.
            with open(folder / "losses.jsonl", "a") as file:
                print(json.dumps({"epoch": epoch, "loss": logs["loss"]}), file=file, flush=True)
                os.fsync(file.fileno())
            with writing(folder / f"epoch-{epoch + 1:06}.keras") as temporary:
                self.model.save(temporary)
            for old in sorted(folder.glob("epoch-*.keras"))[:-2]:
                old.unlink()

    x, labels = network.samples()
    model.fit(
        x, labels, batch_size=8, shuffle=False, verbose=0, epochs=epochs, initial_epoch=first,
        callbacks=[Checkpoint()],
    )  # fmt: skip
    (folder / "done").write_text(json.dumps(memory.figures()))


def newest(folder: pathlib.Path) -> pathlib.Path | None:
    return max(folder.glob("epoch-*.keras"), default=None)


def start(folder: pathlib.Path, epochs: int, *options: str) -> subprocess.Popen:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "errors.txt", "w") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "soak.training", str(folder), str(epochs), *options],
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=errors,
            stderr=errors,
        )


def losses(folder: pathlib.Path) -> list[dict[str, float]]:
    """What was written of each epoch; the last line before a kill may be cut off."""
    path = folder / "losses.jsonl"
    found = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


class Worker:
    """A process, and when it is killed: so many seconds after its first epoch."""

    def __init__(self, folder: pathlib.Path, epochs: int, options: tuple[str, ...]):
        self.folder, self.arguments = folder, (folder, epochs, *options)
        self.kills = -1
        self.restart(0.0)

    def restart(self, after: float) -> None:
        self.kills += 1
        self.before, self.after, self.kill_at = len(losses(self.folder)), after, None
        self.process = start(*self.arguments)

    def due(self) -> bool:
        """Whether it is to be killed now."""
        if self.kill_at is None and len(losses(self.folder)) > self.before:
            self.kill_at = time.monotonic() + self.after
        return self.kill_at is not None and time.monotonic() >= self.kill_at

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def compare(folder: pathlib.Path, expected: list[float]) -> list[str]:
    """What is wrong with the losses of a worker; an epoch may be there twice."""
    wrong, seen = [], set()
    for note in losses(folder):
        epoch = note["epoch"]
        seen.add(epoch)
        if note["loss"] != expected[epoch]:
            wrong.append(f"{folder.name}: loss {note['loss']} of epoch {epoch}, "
                         f"{expected[epoch]} without interruption")  # fmt: skip
    missing = set(range(max(seen, default=-1) + 1)) - seen
    return wrong[:3] + ([f"{folder.name}: no loss of epochs {sorted(missing)[:5]}"] * bool(missing))


def run(
    seconds: float,
    folder: pathlib.Path,
    workers: int = WORKERS,
    options: tuple[str, ...] = (),
) -> dict:
    """Kills workers until the time is over; a run without kills follows, as far as they came."""
    chance, end = random.Random(0), time.monotonic() + seconds
    failures, memory = [], {}
    running = [Worker(folder / f"worker-{k}", EPOCHS, options) for k in range(workers)]
    # Each at least once, however long they take to start.
    while running and (time.monotonic() < end or min(one.kills for one in running) < 2):
        for one in list(running):
            if one.process.poll() is not None:
                failures.append(
                    f"{one.folder.name}: {(one.folder / 'errors.txt').read_text()[-500:]}"
                )
                running.remove(one)
            elif one.due():
                one.kill()
                one.restart(chance.uniform(0.0, 3.0))
        time.sleep(0.02)
    for one in running:
        one.kill()
    folders = [folder / f"worker-{k}" for k in range(workers)]
    reached = 1 + max((note["epoch"] for one in folders for note in losses(one)), default=-1)
    whole = folder / "whole"
    start(whole, reached).wait()
    expected = [note["loss"] for note in losses(whole)]
    if len(expected) != reached or reached < 2:
        failures.append(f"the run without kills has {len(expected)} epochs, the others {reached}")
    else:
        failures += [wrong for one in folders for wrong in compare(one, expected)]
        memory = json.loads((whole / "done").read_text())
    return {
        "workers": workers,
        "killed": sum(one.kills for one in running) + len(running),
        "epochs_reached": reached,
        "losses_compared": sum(len(losses(one)) for one in folders),
        "first_and_last_loss": [round(expected[0], 4), round(expected[-1], 4)] if expected else [],
        "memory": memory,
        "failures": failures + memory.pop("failures", []),
    }


if __name__ == "__main__":
    worker(pathlib.Path(sys.argv[1]), int(sys.argv[2]), forget="forget" in sys.argv[3:])
