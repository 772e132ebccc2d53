"""The network on the chip, in integers, and its file."""

from __future__ import annotations

import dataclasses
import io
import os
from dataclasses import dataclass

import numpy as np

from keras_slayer.export.xylo.chip import (
    HIDDEN,
    INPUTS,
    MAX_DASH,
    MAX_WEIGHT,
    MIN_WEIGHT,
    OUTPUTS,
    STATE_MAX,
)
from keras_slayer.files import DAMAGED


@dataclass(frozen=True, eq=False)
class XyloNetwork:
    """What Rockpool calls a specification: its names, its shapes.

    Attributes:
        weights_in: int8 (inputs, first hidden neurons that have inputs).
        weights_rec: int8 (hidden, hidden), from the neuron of the row to that of the column.
        weights_out: int8 (hidden, outputs).
        dash_syn, dash_mem, threshold: of the hidden neurons, (hidden,).
        dash_syn_out, dash_mem_out, threshold_out: of the output neurons, (outputs,).
    """

    weights_in: np.ndarray
    weights_rec: np.ndarray
    weights_out: np.ndarray
    dash_syn: np.ndarray
    dash_mem: np.ndarray
    threshold: np.ndarray
    dash_syn_out: np.ndarray
    dash_mem_out: np.ndarray
    threshold_out: np.ndarray

    def __post_init__(self):
        """Raises ValueError for what the chip cannot hold, whoever wrote the file."""
        hidden, outputs = self.weights_rec.shape[-1], self.weights_out.shape[-1]
        inputs, fed = self.weights_in.shape if self.weights_in.ndim == 2 else (-1, -1)
        weights, shifts = (MIN_WEIGHT, MAX_WEIGHT), (1, MAX_DASH)
        wanted = {
            "weights_in": ((inputs, fed), weights),
            "weights_rec": ((hidden, hidden), weights),
            "weights_out": ((hidden, outputs), weights),
            "dash_syn": ((hidden,), shifts),
            "dash_mem": ((hidden,), shifts),
            "threshold": ((hidden,), (1, STATE_MAX)),
            "dash_syn_out": ((outputs,), shifts),
            "dash_mem_out": ((outputs,), shifts),
            "threshold_out": ((outputs,), (1, STATE_MAX)),
        }
        for name, (shape, (low, high)) in wanted.items():
            value = getattr(self, name)
            if (
                value.shape != shape
                or value.dtype.kind not in "iu"
                or not ((value >= low) & (value <= high)).all()
            ):
                raise ValueError(
                    f"{name} must hold integers from {low} to {high} in the shape {shape}. "
                    f"Received: {value.dtype} of shape {value.shape}"
                )
        for name, count, most in (
            ("inputs", inputs, INPUTS),
            ("hidden neurons", hidden, HIDDEN),
            ("hidden neurons with inputs", fed, hidden),
            ("outputs", outputs, OUTPUTS),
        ):
            if not 1 <= count <= most:
                raise ValueError(f"the chip has 1 to {most} {name}. Received: {count}")

    def to_bytes(self) -> bytes:
        """An .npz file: the arguments of Rockpool's ``config_from_specification`` by their names.

        The same network always gives the same bytes.
        """
        buffer = io.BytesIO()
        arrays = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def load(cls, path: str | os.PathLike) -> XyloNetwork:
        """What a file of ``to_bytes`` says.

        Raises:
            ValueError: another file, or numbers that the chip cannot hold.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        try:
            with open(path, "rb") as data, np.load(data, allow_pickle=False) as file:
                arrays = {name: file[name] for name in names}
        except DAMAGED as error:
            raise ValueError(
                f"path must be a file that export_xylo wrote, an .npz archive of {names}. "
                f"Received: path={str(path)!r}: {error}"
            ) from error
        try:
            return cls(**arrays)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
