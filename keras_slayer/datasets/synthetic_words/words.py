"""The sounds and the words of `synthetic_words`.

A sound is what a short stretch of speech has at its middle: formants, that is peaks of the
spectrum, and how loud it is. The formants of vowels are those of men in Peterson and Barney,
"Control methods used in a study of the vowels", JASA 24 (1952), rounded. The others are rough:
enough to be told apart by.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sound:
    """One sound.

    Args:
        formants: three frequencies, Hz.
        levels: loudness of each formant, 0 to 1.
        width: standard deviation of a peak, octaves; wide ones are noise.
        length: ms at normal tempo.
    """

    formants: tuple[float, float, float]
    levels: tuple[float, float, float]
    width: float = 0.16
    length: float = 120.0


SOUNDS = {
    "a": Sound((730, 1090, 2440), (1.0, 0.9, 0.4)),
    "i": Sound((270, 2290, 3010), (1.0, 0.7, 0.6)),
    "u": Sound((300, 870, 2240), (1.0, 0.8, 0.2)),
    "e": Sound((530, 1840, 2480), (1.0, 0.8, 0.5)),
    "m": Sound((250, 1000, 2200), (0.9, 0.2, 0.1), length=90.0),
    "l": Sound((360, 1300, 2700), (0.8, 0.4, 0.3), length=90.0),
    "s": Sound((4200, 5600, 7000), (0.5, 0.8, 0.6), width=0.3, length=100.0),
    "k": Sound((1500, 2000, 2600), (0.6, 0.8, 0.5), width=0.3, length=70.0),
}

# The two words of a line have the same sounds: only the order tells them apart.
WORDS = (
    "masi", "sima",
    "kelu", "luke",
    "sa", "as",
    "mul", "lum",
    "kil", "lik",
    "mek", "esi", "usa", "eki", "lami", "uke",
)  # fmt: skip
