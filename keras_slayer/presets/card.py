"""What is known of a trained network: its card."""

from __future__ import annotations

import dataclasses
import json
import pathlib

FOLDER = pathlib.Path(__file__).parent
"""Each preset is two files of its name here: NAME.json, the card, and NAME.weights.h5."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """The card of a trained network.

    Attributes:
        name: for ``from_preset``.
        title: the network in a line.
        layers: class and arguments of each layer, from the first to the last.
        sensor_shape, steps, dt: of the spikes that it was trained on; ``dt`` in ms.
        pipeline: further arguments of ``spike_pipeline`` that it was trained with.
        classes: what each output stands for.
        parameters: number of weights.
        data: the recordings that it was trained on.
        data_licence: of these recordings, with whom to name.
        licence: of the weights.
        test_accuracy: share of the test recordings whose class fired most, when it was packed.
        test: which recordings these were, and how many.
        command, seed, commit, versions: how it was trained.
        sha256, bytes: of the file of weights.
        spikes_that_differ: how many output spikes of the exported Loihi file are not those of the
            model, on these test recordings; None for networks of other neurons than Loihi's.
    """

    name: str
    title: str
    layers: tuple[dict, ...] = dataclasses.field(repr=False)
    sensor_shape: tuple[int, ...]
    steps: int
    dt: float
    pipeline: dict
    classes: tuple[str, ...]
    parameters: int
    data: str
    data_licence: str
    licence: str
    test_accuracy: float
    test: str
    command: str
    seed: int
    commit: str
    versions: dict[str, str]
    sha256: str
    bytes: int
    spikes_that_differ: int | None = None

    @property
    def frame(self) -> dict:
        """Arguments of ``spike_pipeline`` and ``to_spikes`` that make its input of events."""
        return {"sensor_shape": self.sensor_shape, "steps": self.steps, "dt": self.dt}

    @property
    def weights_file(self) -> pathlib.Path:
        return FOLDER / f"{self.name}.weights.h5"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Preset:
        values = json.loads(text)
        for name in ("layers", "sensor_shape", "classes"):
            values[name] = tuple(values[name])
        return cls(**values)


def names() -> list[str]:
    """Of all presets, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> Preset:
    """The card of that name.

    Raises:
        ValueError: no preset has that name.
    """
    known = names()
    if name not in known:
        raise ValueError(
            f"there is no preset of that name. The presets are {', '.join(known)}. "
            f"Received: name={name!r}"
        )
    return Preset.from_json((FOLDER / f"{name}.json").read_text())
