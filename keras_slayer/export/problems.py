"""The problems that prevent an export: collected over the whole model, raised once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that keeps a model from the chip."""

    layer: str
    what: str
    limit: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.what}; allowed: {self.limit}; to do: {self.remedy}."


class Notes(list[Problem]):
    """What is wrong with one layer, or with the model as such (anything that has a name)."""

    def __init__(self, layer):
        super().__init__()
        self._layer = layer.name

    def add(self, what: str, limit: str, remedy: str) -> None:
        self.append(Problem(self._layer, what, limit, remedy))


def refuse(problems: Sequence[Problem], what: str = "exported to Loihi") -> None:
    """Raises one ValueError that lists every problem, and does nothing if there is none.

    Args:
        what: cannot be done with the model.
    """
    if not problems:
        return
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    lines = "\n".join(f"  - {problem}" for problem in problems)
    raise ValueError(f"The model cannot be {what} ({count}), nothing was written:\n{lines}")
