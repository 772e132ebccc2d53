"""How the tools that write NIR mean their graphs: NIR has continuous time, they have steps.

A node ``tau v' = v_leak - v + r I`` becomes ``v[t] = (1 - decay) v[t-1] + gain I[t]``. NIR says
neither how long a step is nor how an equation is integrated. What is here was read in the
exporters and importers of the tools, in the versions of docs/nir.md.
"""

from __future__ import annotations

import dataclasses
import math

DT = 1e-4
"""Seconds per step where neither the graph nor the user says: that of snnTorch and spikingjelly."""

LEAST_GAIN = 1e-3
"""Of an input, where it is not known which tool wrote the graph."""


@dataclasses.dataclass(frozen=True)
class Tool:
    """What a tool means.

    Args:
        dt: seconds per step if the graph has none in its metadata.
        exponential: decay = 1 - exp(-dt / tau); else that of a forward Euler step, dt / tau.
        gain: of the membrane. "euler": r dt / tau. "held": r (1 - exp(-dt / tau)), for an input
            that is constant during the step. "one": 1, whatever r.
        gain_of_li: the same for LI, CubaLI and I nodes.
        unit_if: the gain of IF and I nodes is r; else r dt.
        reset: what a spike does: "zero" (to v_reset) or "subtract" (the threshold).
        starts_at_leak: voltages start at v_leak; else at v_reset, those of integrators at 0.
        at_threshold: spikes where v >= threshold; else v > threshold, as NIR says.
        subtracts_before_leak: the threshold is subtracted right after the spike, before the leak.
    """

    dt: float = DT
    exponential: bool = False
    gain: str = "euler"
    gain_of_li: str = "euler"
    unit_if: bool = False
    reset: str = "zero"
    at_threshold: bool = False
    subtracts_before_leak: bool = False
    starts_at_leak: bool = False

    def decay(self, tau: float, dt: float) -> float:
        """Fraction of the voltage or current that is lost in one step."""
        if tau == math.inf:
            return 0.0
        return -math.expm1(-dt / tau) if self.exponential else dt / tau


TOOLS = {
    "nir": Tool(),
    "snntorch": Tool(unit_if=True),
    "norse": Tool(dt=1e-3, unit_if=True, starts_at_leak=True),
    "spikingjelly": Tool(at_threshold=True),
    "sinabs": Tool(
        dt=1.0,
        exponential=True,
        gain="held",
        gain_of_li="one",
        unit_if=True,
        reset="subtract",
        at_threshold=True,
        subtracts_before_leak=True,
    ),
    "rockpool": Tool(
        dt=1e-3,
        exponential=True,
        gain="one",
        reset="subtract",
        at_threshold=True,
        subtracts_before_leak=True,
    ),
}
"""By the name of the tool; "nir" is the specification to the letter."""

RESETS = ("zero", "subtract", "late")
"""What a spike does to the voltage: it becomes v_reset; it loses the threshold; it becomes v_reset
in the step after, whose input is lost."""
