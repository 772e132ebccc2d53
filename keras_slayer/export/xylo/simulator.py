"""The chip's network in its integers, step by step, in NumPy."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from keras_slayer.export.xylo.chip import (
    HIDDEN_SPIKES,
    INPUT_SPIKES,
    OUTPUT_SPIKES,
    STATE_MAX,
    STATE_MIN,
)
from keras_slayer.export.xylo.network import XyloNetwork

SAMPLES = 64
"""Run at once, where only their output is asked for."""


@dataclass(frozen=True, eq=False)
class XyloRecord:
    """Spike counts, currents and membranes (after spikes), int16 (batch, time, neurons)."""

    spikes: np.ndarray
    current: np.ndarray
    membrane: np.ndarray
    hidden_spikes: np.ndarray
    hidden_current: np.ndarray
    hidden_membrane: np.ndarray


class XyloSimulator:
    """Runs a file of ``export_xylo`` as the chip does, bit for bit.

    Args:
        path: the file.

    Raises:
        ValueError: another file, or numbers that the chip cannot hold.

    Example:

    >>> spikes = keras_slayer.export.XyloSimulator("network.npz").run(x)
    """

    def __init__(self, path: str | os.PathLike):
        self.network = XyloNetwork.load(path)

    @classmethod
    def from_network(cls, network: XyloNetwork) -> XyloSimulator:
        simulator = cls.__new__(cls)
        simulator.network = network
        return simulator

    def run(self, spikes: np.ndarray) -> np.ndarray:
        """Spikes of the output neurons, from rest.

        Args:
            spikes: how many each input gives in each step, 0 to 15, (batch, time, ...), any dtype.

        Returns:
            0 or 1, float32 (batch, time, outputs). The answer to an input of step t begins as many
            steps later as there are hidden layers.
        """
        x = self._checked(spikes)
        result = np.zeros((*x.shape[:2], self.network.weights_out.shape[1]), np.float32)
        for start in range(0, len(x), SAMPLES):
            some = slice(start, start + SAMPLES)
            result[some] = self._run(x[some]).spikes
        return result

    def record(self, spikes: np.ndarray) -> XyloRecord:
        """The same, with the integers of all neurons."""
        return self._run(self._checked(spikes))

    def _run(self, x: np.ndarray) -> XyloRecord:
        net = self.network
        batch, steps, _ = x.shape
        inputs, loops, readout = (
            _Synapses(weights) for weights in (net.weights_in, net.weights_rec, net.weights_out)
        )
        hidden = _Neurons((batch, steps), net.dash_syn, net.dash_mem, net.threshold, HIDDEN_SPIKES)
        output = _Neurons(
            (batch, steps), net.dash_syn_out, net.dash_mem_out, net.threshold_out, OUTPUT_SPIKES
        )
        fired = np.zeros((batch, len(net.threshold)), np.int64)
        for t in range(steps):
            hidden.receive(x[:, t], inputs)
            hidden.receive(fired, loops)
            output.receive(fired, readout)
            fired = hidden.step(t)
            output.step(t)
        return XyloRecord(*output.recorded, *hidden.recorded)

    def _checked(self, spikes: np.ndarray) -> np.ndarray:
        x = np.asarray(spikes)
        inputs = self.network.weights_in.shape[0]
        if x.ndim < 3 or np.prod(x.shape[2:]) != inputs:
            raise ValueError(
                f"spikes must have the shape (batch, time, {inputs}), or that of the model's "
                f"input. Received: spikes of shape {x.shape}"
            )
        if not ((x >= 0) & (x <= INPUT_SPIKES) & (x == np.floor(x))).all():
            raise ValueError(
                f"spikes must be integers from 0 to {INPUT_SPIKES}, the most that an input of the "
                f"chip gives in a step. Received: values from {x.min()} to {x.max()}"
            )
        return x.reshape(*x.shape[:2], inputs).astype(np.int64)


class _Synapses:
    """Weights (senders, neurons), and both signs of them in floating point, in which products are
    fast and these exact."""

    def __init__(self, weights: np.ndarray):
        self.weights = weights.astype(np.int64)
        self.up, self.down = (
            part.astype(np.float64) for part in (self.weights.clip(0), self.weights.clip(None, 0))
        )


class _Neurons:
    """Hidden or output neurons: their state, and what they did."""

    def __init__(self, shape: tuple[int, int], dash_syn, dash_mem, threshold, most: int):
        self.dash_syn, self.dash_mem = dash_syn.astype(np.int64), dash_mem.astype(np.int64)
        self.threshold, self.most = threshold.astype(np.int64), most
        self.current = np.zeros((shape[0], len(threshold)), np.int64)
        self.membrane = np.zeros_like(self.current)
        self.recorded = tuple(np.zeros((*shape, len(threshold)), np.int16) for _ in range(3))

    def receive(self, spikes: np.ndarray, synapses: _Synapses) -> None:
        """Adds the weights of ``spikes`` (batch, senders) to the first of the neurons."""
        current = self.current[:, : synapses.weights.shape[1]]
        counts = spikes.astype(np.float64)
        up, down = counts @ synapses.up, counts @ synapses.down
        highest, lowest = (current + up).max(initial=0), (current + down).min(initial=0)
        if highest <= STATE_MAX and lowest >= STATE_MIN:
            current += (up + down).astype(np.int64)
            return
        for sender in np.flatnonzero(spikes.any(axis=0)):  # sums saturate one by one
            current[:] = _held(current + spikes[:, sender, None] * synapses.weights[sender])

    def step(self, t: int) -> np.ndarray:
        """The spikes of step ``t``."""
        self.current = self.current - _lost(self.current, self.dash_syn)
        v = _held(self.membrane + _held(self.current - _lost(self.membrane, self.dash_mem)))
        spikes = np.clip(v // self.threshold, 0, self.most)
        self.membrane = v - spikes * self.threshold
        for series, now in zip(self.recorded, (spikes, self.current, self.membrane), strict=True):
            series[:, t] = now
        return spikes


def _held(x: np.ndarray) -> np.ndarray:
    return np.clip(x, STATE_MIN, STATE_MAX)


def _lost(x: np.ndarray, dash: np.ndarray) -> np.ndarray:
    lost = x >> dash  # rounded down, so that negative numbers always lose something
    return np.where(x > 0, np.maximum(lost, 1), lost)
