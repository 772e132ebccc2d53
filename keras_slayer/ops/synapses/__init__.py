"""The synapses: what turns spikes into the input of neurons. One synapse, one file.

Each file holds the public op, the same with its neurons in one pass, the gradients and the
reference. ``synaptic_input.fire`` decides which of them runs, by the lists in ``ops/selection.py``.
"""
