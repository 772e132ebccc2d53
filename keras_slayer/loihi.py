"""The numbers of Intel Loihi's neurons and synapses, in one place.

Training (``quantization``), export, simulator and file formats take them from here. They hold for
Loihi 1 and 2; how much fits on a core of which is in ``export.targets``. This module imports
nothing. The simulator's C++ has the numbers of the neuron once more (``export/csrc/neuron.h``), and
a test compares them.

The neuron, in integers (``rsz(x, b) = sign(x) (abs(x) >> b)``)::

    u = rsz(u (DECAY_UNIT - current_decay), 12) + (z << STATE_SHIFT)
    v = rsz(v (DECAY_UNIT - voltage_decay), 12) + u + (bias << STATE_SHIFT)
    spike, and v = 0, where v > threshold_mantissa << STATE_SHIFT

u wraps at STATE_RANGE, v is clipped one below.

Source: Davies et al., "Loihi: A Neuromorphic Manycore Processor with On-Chip Learning", IEEE Micro
38(1), 2018, and lava-nc 0.10.0, nengo-loihi 1.1.0 and brian2-loihi 0.5.2, which agree bit for bit.
"""

WEIGHT_SCALE = 64
"""Integer weight on the chip = WEIGHT_SCALE * float weight."""

MIN_WEIGHT = -256
WEIGHT_BITS = 8
"""Bits of a weight, besides its sign."""

DECAY_BITS = 12
DECAY_UNIT = 1 << DECAY_BITS
"""Integer decay = DECAY_UNIT * the fraction lost in a step; the largest decay."""

STATE_SHIFT = 6
"""Currents and voltages count in 1 / 2^STATE_SHIFT of a weight's unit."""

STATE_RANGE = 1 << 23
"""Currents and voltages have 24 bits."""

MAX_THRESHOLD = 131071
MIN_BIAS, MAX_BIAS = -4096, 4095

MAX_DELAY = 62
"""Steps, beyond the one that a spike takes from layer to layer."""

SYNAPTIC_SUM_LIMIT = 32768
"""Largest synaptic sum of one neuron in one step that the chip's 16 bits hold."""


def weight_step(bits: int) -> int:
    """Distance of two integer weights of ``bits`` bits and sign: 2 for 8 bits, 256 for 1."""
    return -2 * MIN_WEIGHT >> bits
