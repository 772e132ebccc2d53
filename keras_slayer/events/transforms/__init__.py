"""Transforms of events: crops, movements, times, noise, filters and mixtures.

They work on whole batches in TensorFlow ops, inside of `spike_pipeline(..., transforms=[...])`,
and on one recording when called. `Transform` is the base class for transforms of one's own.
"""

from keras_slayer.events.transforms.affine import Affine
from keras_slayer.events.transforms.base import Transform
from keras_slayer.events.transforms.batch import EventBatch
from keras_slayer.events.transforms.compose import RandomApply, Sequential, get
from keras_slayer.events.transforms.dropping import DropEvents, DropEventsByArea, DropEventsByTime
from keras_slayer.events.transforms.filters import Denoise, HotPixelFilter, RefractoryPeriod
from keras_slayer.events.transforms.geometry import Flip, Rotate, Shift, SpaceJitter, Zoom
from keras_slayer.events.transforms.mix import Mix
from keras_slayer.events.transforms.noise import UniformNoise
from keras_slayer.events.transforms.polarity import FlipPolarity, MergePolarities
from keras_slayer.events.transforms.sizes import CenterCrop, Crop, Downsample, RandomCrop
from keras_slayer.events.transforms.timing import RandomTimeCrop, TimeCrop, TimeJitter, TimeScale

__all__ = [
    "Affine",
    "CenterCrop",
    "Crop",
    "Denoise",
    "Downsample",
    "DropEvents",
    "DropEventsByArea",
    "DropEventsByTime",
    "EventBatch",
    "Flip",
    "FlipPolarity",
    "HotPixelFilter",
    "MergePolarities",
    "Mix",
    "RandomApply",
    "RandomCrop",
    "RandomTimeCrop",
    "RefractoryPeriod",
    "Rotate",
    "Sequential",
    "Shift",
    "SpaceJitter",
    "TimeCrop",
    "TimeJitter",
    "TimeScale",
    "Transform",
    "UniformNoise",
    "Zoom",
    "get",
]
