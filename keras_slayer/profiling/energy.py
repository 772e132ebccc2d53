"""Joules from counts of operations and published energies."""

from __future__ import annotations

from keras_slayer import checks

MAC = 4.6e-12
AC = 0.9e-12
SOURCE = (
    "Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, figure 1.1.9: "
    "at 45 nm and 0.9 V a 32-bit float multiplication takes 3.7 pJ and an addition 0.9 pJ"
)
"""Where the constants come from: a MAC is a multiplication and an addition, an AC an addition.
Memory, neurons, clocks and leakage are not in them."""


def estimate(macs: float, acs: float, mac: float = MAC, ac: float = AC) -> float:
    """Joules of so many operations at ``mac`` and ``ac`` joules each.

    Raises:
        ValueError: an energy that is no number of at least 0.
    """
    return macs * checks.number(mac, "mac") + acs * checks.number(ac, "ac")
