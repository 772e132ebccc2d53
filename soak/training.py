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

from soak.memory import Resident, resident

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORKERS = 2
EPOCHS = 60


def worker(folder: pathlib.Path, epochs: int, forget: bool = False) -> None:
    """Trains to the last epoch from the newest checkpoint; ``forget``: from its weights alone."""
    import keras

    from keras_slayer.files import writing
    from soak import network

    model, first = network.classifier(), 0
    if found := newest(folder):
        first = int(re.search(r"\d+", found.name)[0])
        if forget:
            model.load_weights(found)
            model.optimizer = keras.optimizers.Nadam(0.01)
        else:
            model = keras.models.load_model(found)
    memory = Resident()

    class Checkpoint(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            with writing(folder / f"epoch-{epoch + 1:04}.keras") as temporary:
                self.model.save(temporary)
            memory.look()
            note = {"epoch": epoch, "loss": logs["loss"], "resident": resident()}
            with open(folder / "losses.jsonl", "a") as file:
                print(json.dumps(note), file=file, flush=True)
                os.fsync(file.fileno())
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


def wait(process: subprocess.Popen, folder: pathlib.Path, kill_after: float) -> bool:
    """Until it ends, or is killed so many seconds after its first epoch; whether it was killed."""
    before, begun = len(losses(folder)), None
    while process.poll() is None:
        if begun is None and len(losses(folder)) > before:
            begun = time.monotonic()
        if begun is not None and time.monotonic() - begun > kill_after:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.02)
    return False


def compare(folder: pathlib.Path, expected: list[float]) -> list[str]:
    """What is wrong with the losses of a worker; an epoch may be there twice."""
    wrong, seen = [], set()
    for note in losses(folder):
        epoch = note["epoch"]
        seen.add(epoch)
        if note["loss"] != expected[epoch]:
            wrong.append(f"{folder.name}: loss {note['loss']} of epoch {epoch}, "
                         f"{expected[epoch]} without interruption")  # fmt: skip
    missing = set(range(len(expected))) - seen
    return wrong[:3] + ([f"{folder.name}: no loss of epochs {sorted(missing)[:5]}"] * bool(missing))


def run(
    seconds: float,
    folder: pathlib.Path,
    epochs: int = EPOCHS,
    workers: int = WORKERS,
    kills: int = 1 << 30,
    options: tuple[str, ...] = (),
) -> dict:
    """Kills workers until the time is over; then they may end, and a run without kills follows."""
    chance, end = random.Random(0), time.monotonic() + seconds
    failures, killed, starts = [], 0, 0
    folders = [folder / f"worker-{k}" for k in range(workers)]
    processes = {one: start(one, epochs, *options) for one in folders}
    starts += workers
    while processes:
        for one, process in list(processes.items()):
            after = chance.uniform(0.0, 1.5) if killed < kills else float("inf")
            if time.monotonic() > end:
                after = float("inf")
            if wait(process, one, after):
                killed += 1
            elif process.returncode != 0:
                failures.append(f"{one.name}: {(one / 'errors.txt').read_text()[-500:]}")
                del processes[one]
                continue
            else:
                del processes[one]
                continue
            processes[one] = start(one, epochs, *options)
            starts += 1
    whole = folder / "whole"
    wait(start(whole, epochs), whole, float("inf"))
    expected = [note["loss"] for note in losses(whole)]
    if len(expected) != epochs:
        failures.append(f"the run without kills has {len(expected)} epochs")
    for one in folders if len(expected) == epochs else ():
        failures += compare(one, expected)
    memory = json.loads((whole / "done").read_text()) if (whole / "done").exists() else {}
    return {
        "epochs": epochs,
        "workers": workers,
        "killed": killed,
        "starts": starts,
        "losses_compared": sum(len(losses(one)) for one in folders),
        "first_and_last_loss": [round(expected[0], 4), round(expected[-1], 4)] if expected else [],
        "memory": memory,
        "failures": failures + memory.pop("failures", []),
    }


if __name__ == "__main__":
    worker(pathlib.Path(sys.argv[1]), int(sys.argv[2]), forget="forget" in sys.argv[3:])
