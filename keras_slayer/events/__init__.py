"""Event streams: files, binning to spike tensors, augmentation, `tf.data` pipelines."""

from keras_slayer.events import transforms
from keras_slayer.events.augment import random_shift
from keras_slayer.events.binning import from_spikes, to_spikes
from keras_slayer.events.files import (
    EventFileWarning,
    FormatInfo,
    decode_aedat,
    decode_bs1,
    decode_bs3,
    decode_nmnist,
    encode_aedat,
    encode_bs1,
    encode_bs3,
    encode_nmnist,
    formats,
    read_aedat,
    read_events,
    write_events,
)
from keras_slayer.events.frame import fit_frame
from keras_slayer.events.pipeline import spike_pipeline
from keras_slayer.events.recordings import (
    RecordingError,
    Recordings,
    RecordingsWarning,
    as_events,
    from_arrays,
    from_folder,
    from_generator,
)
from keras_slayer.events.simulation import EventCamera, FrameRateWarning, saccades, simulate
from keras_slayer.events.stream import Events
from keras_slayer.events.time_steps import TimeStepWarning, check_time_step, time_step
from keras_slayer.events.times import EventTimeWarning

__all__ = [
    "EventCamera",
    "EventFileWarning",
    "EventTimeWarning",
    "Events",
    "FormatInfo",
    "FrameRateWarning",
    "RecordingError",
    "Recordings",
    "RecordingsWarning",
    "TimeStepWarning",
    "as_events",
    "check_time_step",
    "decode_aedat",
    "decode_bs1",
    "decode_bs3",
    "decode_nmnist",
    "encode_aedat",
    "encode_bs1",
    "encode_bs3",
    "encode_nmnist",
    "fit_frame",
    "formats",
    "from_arrays",
    "from_folder",
    "from_generator",
    "from_spikes",
    "random_shift",
    "read_aedat",
    "read_events",
    "saccades",
    "simulate",
    "spike_pipeline",
    "time_step",
    "to_spikes",
    "transforms",
    "write_events",
]
