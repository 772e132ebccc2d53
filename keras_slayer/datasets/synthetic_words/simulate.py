"""Spike trains of a cochlea that hears a word.

Each of 128 channels hears a band of frequencies; the bands are spaced evenly in octaves from
100 Hz to 8 kHz. A channel at c octaves fires at

    rate = level(t) sum_k level_k(t) exp(-(c - f_k(t))^2 / (2 width(t)^2)) RATE + NOISE

as a Poisson process, where f_k(t) is the k-th formant in octaves. A sound holds its formants,
levels and width, but for the 40 ms around its border with the next, in which they glide, as the
tongue does.
"""

import numpy as np

from keras_slayer.datasets.synthetic_words.words import SOUNDS, WORDS
from keras_slayer.events.stream import Events

CHANNELS = 128
DURATION_MS = 700
SPEAKERS = 32

_LOWEST_HZ, _HIGHEST_HZ = 100.0, 8000.0
_STEP_MS = 4  # the rate of spikes is taken as constant over it
_RATE_HZ = 180.0  # of a channel at the peak of a formant
_NOISE_HZ = 3.0  # of each channel
_GLIDE_MS = 40.0
_EDGE_MS = 15.0  # in which a word fades in and out
_ONSET_MS = (10.0, 90.0)
_OCTAVES = np.linspace(np.log2(_LOWEST_HZ), np.log2(_HIGHEST_HZ), CHANNELS)
_MIDDLES_MS = (np.arange(DURATION_MS // _STEP_MS) + 0.5) * _STEP_MS
_SHAPES = {name: np.array([*np.log2(s.formants), *s.levels, s.width]) for name, s in SOUNDS.items()}


def simulate(label: int, speaker: int, seed: int) -> Events:
    """One spoken word.

    Args:
        label: 0 to 15, the word: `WORDS[label]`.
        speaker: 0 to 31: who says it. Speakers differ in pitch (the size of the mouth scales all
            formants), in each formant, and in tempo.
        seed: 0 or more. The recording depends on the three, and on nothing else.

    Returns:
        Spikes in order of time, up to 700 ms; `x` is the channel, 0 (100 Hz) to 127 (8 kHz).

    Raises:
        ValueError: an argument out of range.
    """
    limits = (("label", label, len(WORDS)), ("speaker", speaker, SPEAKERS), ("seed", seed, 2**63))
    for name, value, limit in limits:
        if not isinstance(value, (int, np.integer)) or not 0 <= value < limit:
            raise ValueError(f"`{name}` must be 0 to {limit - 1}. Received: {name}={value}")
    voice = np.random.default_rng([1952, int(speaker)])
    generator = np.random.default_rng([1953, int(label), int(speaker), int(seed)])
    rate = _rates(WORDS[label], voice, generator)
    expected = (rate * (_STEP_MS / 1000)).ravel().cumsum()
    spikes = generator.poisson(expected[-1])
    place = np.searchsorted(expected, generator.uniform(0, expected[-1], spikes), side="right")
    step, channel = np.divmod(np.minimum(place, expected.size - 1), CHANNELS)
    t = ((step + generator.uniform(size=spikes)) * (_STEP_MS * 1000)).astype(np.int64)
    return Events(x=channel, t=t).sorted()


def _rates(word: str, voice, generator) -> np.ndarray:
    """Spikes per second, (steps, channels)."""
    octaves = voice.normal(0.0, 0.12) + voice.normal(0.0, 0.05, 3)  # of the speaker
    tempo = voice.uniform(0.8, 1.2)
    octaves = octaves + generator.normal(0.0, 0.03, 3)
    lengths = np.array([SOUNDS[sound].length for sound in word])
    lengths = lengths * tempo * np.exp(generator.normal(0.0, 0.15, len(word)))
    onset = generator.uniform(*_ONSET_MS)
    ends = onset + np.cumsum(lengths)
    shapes = np.array([_SHAPES[sound] for sound in word])
    shapes[:, :3] += octaves + generator.normal(0.0, 0.04, (len(word), 3))
    shapes[:, 3:6] *= np.exp(generator.normal(0.0, 0.2, (len(word), 3)))

    # Each sound is held, but for a glide around the border to the next.
    half = np.minimum(_GLIDE_MS / 2, lengths.min() / 2)
    times = np.column_stack([np.r_[onset, ends[:-1]] + half, ends - half]).ravel()
    held = np.repeat(shapes, 2, axis=0)
    shape = np.stack([np.interp(_MIDDLES_MS, times, column) for column in held.T])
    formants, levels, width = shape[:3], shape[3:6], shape[6]
    fade = np.interp(_MIDDLES_MS, [onset, onset + _EDGE_MS, ends[-1] - _EDGE_MS, ends[-1]],
                     [0, 1, 1, 0])  # fmt: skip
    distance = (_OCTAVES - formants[..., np.newaxis]) / width[:, np.newaxis]
    heard = np.einsum("kt,ktc->tc", levels * fade, np.exp(-0.5 * distance**2))
    gain = _RATE_HZ * np.exp(generator.normal(0.0, 0.15))
    return gain * heard + _NOISE_HZ
