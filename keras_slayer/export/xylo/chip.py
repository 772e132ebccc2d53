"""The numbers of SynSense Xylo Audio 2 (SYNS61201), in one place. This module imports nothing.

The neuron, in integers, with the current i, the membrane v and their bit shifts (dash)::

    lost(x, dash) = max(x >> dash, 1)   where x > 0
                    x >> dash           elsewhere, rounded down
    i = i + weights of this step's spikes,   i = i - lost(i, dash_syn)
    v = v + (i - lost(v, dash_mem))
    n = min(v // threshold, 31) spikes where v >= threshold (output neurons: 1), v = v - n threshold

i, v and what is added to v saturate at 16 bits; i after each input, in the order of the inputs.
Spikes that come from neurons, rather than from outside, arrive one step later.

Sources: "Overview of the Xylo family" (rockpool.ai/devices/xylo-overview.html) for the network and
its limits; for the rounding, what xylosim 0.1.3, SynSense's simulator, gives out.
"""

NAME = "Xylo Audio 2"

WEIGHT_SCALE = 64
"""Integer weight = WEIGHT_SCALE * float weight. The chip knows no float weights: a choice of ours,
for which the defaults of Keras' optimizers and of our initializers suit."""

MIN_WEIGHT, MAX_WEIGHT = -128, 127
WEIGHT_BITS = 8
"""Sign included."""

STATE_MIN, STATE_MAX = -(1 << 15), (1 << 15) - 1
"""Of currents, membranes and thresholds: 16 bits."""

MAX_DASH = 15
"""Longest bit shift: 4 bits. With 0 nothing is left of an input when it has arrived."""

INPUT_SPIKES = 15
"""Most spikes of one input in one step."""

HIDDEN_SPIKES, OUTPUT_SPIKES = 31, 1
"""Most spikes of one neuron in one step."""

INPUTS, HIDDEN, OUTPUTS = 16, 1000, 8
"""How many there are."""

MAX_FANOUT = 64
"""Most hidden neurons that one hidden neuron reaches."""

SYNAPSES = 32 * HIDDEN
"""Synapses between hidden neurons: 32 for each on average. (As many again lead to the second
current that each neuron has, which is not used here.)"""
