"""Metrics on spike trains.

`SpikeCountAccuracy` asks which neuron fired most, `FirstSpikeAccuracy` which fired first,
`accuracy_over_time` how soon either is right, `VanRossumDistance` how far spike trains are from
target trains. All compute in float32 or wider under every dtype policy. `match_spikes` counts the
spikes that are where a target train has one.
"""

from keras_slayer.metrics.first_spike_accuracy import FirstSpikeAccuracy
from keras_slayer.metrics.matching import SpikeMatches, match_spikes
from keras_slayer.metrics.over_time import accuracy_over_time
from keras_slayer.metrics.spike_count_accuracy import SpikeCountAccuracy
from keras_slayer.metrics.van_rossum import VanRossumDistance

__all__ = [
    "FirstSpikeAccuracy",
    "SpikeCountAccuracy",
    "SpikeMatches",
    "VanRossumDistance",
    "accuracy_over_time",
    "match_spikes",
]
