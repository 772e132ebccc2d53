"""A simulated network that runs live, on chunks of time."""

from __future__ import annotations

import math

import numpy as np

from keras_slayer.export.simulation.native import LiveNetwork
from keras_slayer.export.simulation.signals import Spikes, single


class SimulatorStream:
    """The network of a ``LoihiSimulator``, chunk by chunk: ``LoihiSimulator.stream`` makes it.

    In chunks of any lengths it gives the spikes of the whole recording. ``keras_slayer.Stream`` is
    the same for a Keras model, so that model and chip can be compared live.

    Attributes:
        steps: steps since the last reset of all samples.
    """

    def __init__(self, simulator, native: LiveNetwork, batch: int) -> None:
        self._simulator, self._native, self.batch_size = simulator, native, batch
        self.steps = 0

    def __reduce_ex__(self, protocol):
        # Two streams on one network would advance it by turns.
        raise TypeError(
            "A SimulatorStream cannot be copied or pickled: its network's state is in native "
            "memory. Make another, which starts at rest, with LoihiSimulator.stream()"
        )

    def __call__(self, spikes: Spikes) -> np.ndarray | list[np.ndarray]:
        """The spikes of the output in the next steps.

        Args:
            spikes: 0 or 1, (batch, steps, *input_shape), any dtype, any number of steps. For
                several inputs a list of these, or a dict by name, as for ``LoihiSimulator.run``.

        Returns:
            float32 (batch, steps, *output_shape); a list of these for several outputs.
        """
        simulator = self._simulator
        given = simulator.checked(spikes)
        batch, steps = next(iter(given.values())).shape[:2]
        if batch != self.batch_size:
            raise ValueError(
                f"The stream has {self.batch_size} samples: give as many, or make another with "
                f"stream(batch={batch}). Received: a chunk of {batch}"
            )
        found = self._native.run(given, simulator.threads)
        self.steps += steps
        return single(simulator.shaped([each.astype(np.float32) for each in found]))

    def step(self, index) -> np.ndarray:
        """One step of one sample: from the places of input spikes to those of output spikes.

        For networks of one input and one output.

        Args:
            index: places in the flattened input, integers in any order; one that is there twice
                counts once.

        Returns:
            int32, ascending: places in the flattened output.

        Raises:
            ValueError: a place that does not exist, a stream of more samples, or a network of
                several inputs or outputs.
        """
        ends = self._simulator.input_shape, self._simulator.output_shape
        if any(isinstance(shape, list) for shape in ends):
            raise ValueError(
                "step() takes a network of one input and one output: give chunks of one step. "
                f"Received: input_shape={ends[0]}, output_shape={ends[1]}"
            )
        index = np.asarray(index)
        if index.ndim != 1 or not (index.dtype.kind in "iu" or index.size == 0):
            raise ValueError(
                "`index` must be a vector of integers. "
                f"Received: {index.dtype} of shape {index.shape}"
            )
        index, places = np.unique(index), math.prod(ends[0])
        if index.size and not 0 <= index[0] <= index[-1] < places:
            outside = index[0] if index[0] < 0 else index[-1]
            raise ValueError(f"an index must lie in [0, {places - 1}]. Received: {outside}")
        found = self._native.step(index.astype(np.int32))
        self.steps += 1
        return np.array(found, np.int32)

    def reset(self, mask=None) -> None:
        """Back to rest: all samples, or those of a mask of booleans (batch,)."""
        if mask is None:
            mask, self.steps = np.ones(self.batch_size, bool), 0
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (self.batch_size,):
            raise ValueError(
                f"mask must be booleans of the shape ({self.batch_size},). Received: "
                f"{mask.dtype} of shape {mask.shape}"
            )
        for sample in np.flatnonzero(mask):
            self._native.reset(int(sample))
