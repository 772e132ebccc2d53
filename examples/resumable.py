"""Training that goes on where it was cut off: a checkpoint after each epoch.

A training has a folder. After each epoch the model, with its optimiser, is saved there, and then
`training.json` is replaced, which names it. Whatever happens in between, `training.json` names a
whole model of some epoch.
"""

import json
import os
import pathlib
import time

import keras


class Training:
    """A training in ``folder``.

    Args:
        folder: where it is kept; made if it is not there.
        settings: what must be the same at each start, as JSON has it.

    Raises:
        ValueError: the folder holds a training with other settings.
    """

    def __init__(self, folder, settings: dict) -> None:
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = self.folder / "training.json"
        self.state = {"settings": settings, "epoch": 0, "model": None, "history": []}
        if self._file.exists():
            before = json.loads(self._file.read_text())
            if before["settings"] != settings:
                changed = sorted(
                    name
                    for name in {*settings, *before["settings"]}
                    if settings.get(name) != before["settings"].get(name)
                )
                raise ValueError(
                    f"{self.folder} holds a training with other {', '.join(changed)}: "
                    f"{[before['settings'].get(name) for name in changed]}. Go on with these, or "
                    "give another --output. "
                    f"Received: {[settings.get(name) for name in changed]}"
                )
            self.state = before

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.state["epoch"]

    @property
    def history(self) -> list[dict]:
        """The figures of each epoch, with "seconds" and "processor_seconds"."""
        return self.state["history"]

    def load(self) -> keras.Model | None:
        """The model after the last epoch that was done, ready to be trained on; None at first."""
        name = self.state["model"]
        return None if name is None else keras.saving.load_model(self.folder / name)

    def run(self, model, batches, epochs: int, *, callbacks=(), stop_after: int | None = None):
        """Trains up to ``epochs`` epochs in all, and no more than ``stop_after`` in this call.

        Args:
            model: compiled; the one of ``load``, where that gave one.
            batches: from the number of an epoch to its data. The same number gives the same data,
                so that a training that was cut off ends as one that was not.
            callbacks: of each epoch.
        """
        last = epochs if stop_after is None else min(epochs, self.epoch + stop_after)
        while self.epoch < last:
            now = self.epoch
            start, processor = time.monotonic(), time.process_time()
            logs = model.fit(
                batches(now),
                initial_epoch=now,
                epochs=now + 1,
                shuffle=False,  # the pipeline does
                callbacks=list(callbacks),
                verbose=0,
            ).history
            figures = {name: float(values[-1]) for name, values in logs.items()}
            figures["seconds"] = time.monotonic() - start
            figures["processor_seconds"] = time.process_time() - processor
            self._save(model, figures)
            print(
                f"epoch {self.epoch}/{epochs}: loss {figures['loss']:.3f}, accuracy "
                f"{figures['accuracy']:.1%}, {figures['seconds']:.0f} s",
                flush=True,
            )

    def _save(self, model, figures: dict) -> None:
        before, epoch = self.state["model"], self.epoch + 1
        name = f"epoch-{epoch}.keras"
        model.save(self.folder / name)
        history = [*self.history, figures]
        self.state = {**self.state, "epoch": epoch, "model": name, "history": history}
        unfinished = self._file.with_suffix(".tmp")
        unfinished.write_text(json.dumps(self.state, indent=1))
        os.replace(unfinished, self._file)
        if before is not None:
            (self.folder / before).unlink(missing_ok=True)
