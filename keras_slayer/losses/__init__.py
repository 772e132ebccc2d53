"""Losses on spike trains: when the output neurons fire, how often, which of them most or first.

Every loss takes spikes `(batch, time, ...)` and gives one number per sample, summed over time and
neurons; Keras' reduction (`"sum_over_batch_size"` by default) then takes the mean over the batch
and applies `sample_weight`, one number per sample. Masks and weights of time steps are refused. The
losses compute in float32 or wider under every dtype policy: a float16 output keeps its dtype, its
loss does not inherit it.
"""

from keras_slayer.losses.first_spike import FirstSpikeLoss
from keras_slayer.losses.spike_count import SpikeCountLoss
from keras_slayer.losses.spike_max import SpikeMaxLoss
from keras_slayer.losses.spike_rate import SpikeRateLoss
from keras_slayer.losses.spike_time import SpikeTimeLoss

__all__ = ["FirstSpikeLoss", "SpikeCountLoss", "SpikeMaxLoss", "SpikeRateLoss", "SpikeTimeLoss"]
