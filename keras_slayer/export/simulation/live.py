"""A simulated network that runs live, on chunks of time."""

from __future__ import annotations

import numpy as np


class SimulatorStream:
    """The network of a ``LoihiSimulator``, chunk by chunk: ``LoihiSimulator.stream`` makes it.

    In chunks of any lengths it gives the spikes of the whole recording. ``keras_slayer.Stream`` is
    the same for a Keras model, so that model and chip can be compared live.

    Attributes:
        steps: steps since the last reset of all samples.
    """

    def __init__(self, simulator, native, batch: int) -> None:
        self._simulator, self._native, self.batch_size = simulator, native, batch
        self.steps = 0

    def __call__(self, spikes: np.ndarray) -> np.ndarray:
        """The spikes of the last layer in the next steps.

        Args:
            spikes: 0 or 1, (batch, steps, *input_shape), any dtype, any number of steps.

        Returns:
            float32 (batch, steps, *output_shape).
        """
        simulator = self._simulator
        spikes = simulator.checked(spikes)
        batch, steps = spikes.shape[:2]
        if batch != self.batch_size:
            raise ValueError(
                f"The stream has {self.batch_size} samples: give as many, or make another with "
                f"stream(batch={batch}). Received: a chunk of {batch}"
            )
        flat = spikes.reshape(batch, steps, int(np.prod(simulator.input_shape)))
        found = self._native.run(flat, simulator.threads)
        self.steps += steps
        return found.astype(np.float32).reshape(batch, steps, *simulator.output_shape)

    def step(self, index) -> np.ndarray:
        """One step of one sample: from the places of input spikes to those of output spikes.

        Args:
            index: places in the flattened input, integers in any order; one that is there twice
                counts once.

        Returns:
            int32, ascending: places in the flattened output.

        Raises:
            ValueError: a place that does not exist, or a stream of more samples.
        """
        index = np.asarray(index)
        if index.ndim != 1 or not (index.dtype.kind in "iu" or index.size == 0):
            raise ValueError(
                "`index` must be a vector of integers. "
                f"Received: {index.dtype} of shape {index.shape}"
            )
        found = self._native.step(np.unique(index).astype(np.int32))
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
