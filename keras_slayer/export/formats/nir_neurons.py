"""NIR's neurons as neurons of this package: what is the same, and what is not."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from keras_slayer.export.formats.nir_graph import Node
from keras_slayer.export.formats.nir_numbers import float32_above, float32_from
from keras_slayer.export.formats.nir_tools import LEAST_GAIN, Tool
from keras_slayer.export.problems import Problem
from keras_slayer.neurons import ALIF, CUBA, Neuron, ResetCUBA

ROUNDING = 1e-6
"""A gain this close to 1 is 1: files hold r and tau in float32, whose product should be one."""

STEP = 1e-3
"""How far r may be from what a tool writes for steps of this length."""

ENDLESS = 1e30
"""Time constant, in steps, of an ALIF neuron that keeps all of its voltage."""

SMALLEST, LARGEST = 1e-15, 1e15
"""Of thresholds: within float32, with room for sums."""

MS = 1e3


Drive = tuple[np.ndarray, tuple[float, ...]]
"""A factor (a number, or one for each neuron) and taps: the factor times what a filter of these
taps makes of a constant 1 that starts with the input."""


@dataclasses.dataclass(frozen=True, eq=False)
class Cell:
    """A neuron for the input ``gain x + offset``, to which ``drives`` are added.

    Args:
        neuron: one that spikes, or whose response is meant (``integrates``).
        gain, offset: numbers (arrays without axes), or arrays of the node's shape in NIR.
        current_decay: of the synaptic current, where the neuron has none of its own. The drives
            come after it.
        drives: constant input that is another in the first steps.
    """

    neuron: Neuron
    gain: np.ndarray
    offset: np.ndarray
    current_decay: float | None = None
    drives: tuple[Drive, ...] = ()


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a graph is read.

    Args:
        tool: what its parameters mean.
        dt: seconds per step.
        reset: one of ``nir_tools.RESETS``.
        guessed: nobody said which tool wrote it.
    """

    tool: Tool
    dt: float
    reset: str
    guessed: bool


class _Values:
    """Parameters of a node, checked against the shape of what it gets."""

    def __init__(self, node: Node, shape: tuple[int, ...], problems: list[Problem]):
        self.node, self.shape, self.problems = node, shape, problems

    def refuse(self, what: str, limit: str, remedy: str) -> None:
        self.problems.append(self.node.problem(what, limit, remedy))

    def __getitem__(self, key: str) -> np.ndarray:
        """One number, or one for each neuron."""
        value = np.asarray(self.node.values[key], np.float64)
        if value.size == 1:
            return value.reshape(())
        if value.shape != self.shape:
            what = f"{key!r} has shape {value.shape}, and its input {self.shape}"
            self.refuse(what, "one number, or one for each neuron", "mend the graph")
            return np.ones(())
        return value if (value != value.flat[0]).any() else value.flat[0].reshape(())

    def one(self, key: str) -> float:
        """The number that all neurons have in common."""
        value = self[key]
        if value.ndim:
            low, high, many = value.min(), value.max(), np.unique(value).size
            self.refuse(
                f"{key!r} differs from neuron to neuron: {many} values from {low:g} to {high:g}",
                "one value in each node",
                "give its neurons one value, or a node for each value",
            )
        return float(value.flat[0])

    def decay(self, key: str, reading: Reading) -> tuple[float, float]:
        """The time constant ``key`` in steps, and the fraction that is lost per step with it."""
        tau = self.one(key)
        if tau <= 0:
            self.refuse(f"{key!r} is {tau:g} s", "time constants above 0", "mend the graph")
            return 1.0, 1.0
        decay = reading.tool.decay(tau, reading.dt)
        if decay > 1 + ROUNDING:
            self.refuse(
                f"{key!r} is {tau:g} s, and a step {reading.dt:g} s",
                "time constants of at least one step",
                "give dt, the seconds per step of the tool that wrote the graph",
            )
        return tau / reading.dt, min(decay, 1.0)


def spiking(node: Node, shape: tuple[int, ...], reading: Reading, feeds_itself: bool = False):
    """(Cell, problems) of a node of ``nir_graph.NEURONS`` that gets ``shape``; None if it has any.

    A voltage v of NIR is the voltage here times ``(v_threshold - v_reset) / threshold``, above
    v_reset. So parameters that differ from neuron to neuron become gains, which can be put into
    weights, and the neurons of a layer have one threshold. ``v_leak`` is a constant current then,
    of ``decay (v_leak - v_reset)`` in each step.

    Args:
        feeds_itself: its own spikes are part of its input, so that nothing of the neuron can be
            done before it.
    """
    problems: list[Problem] = []
    values = _Values(node, shape, problems)
    if node.type == "Threshold":
        current, lost, gain, leak = 1.0, 1.0, np.ones(()), np.zeros(())
        rise, reset = values["threshold"], "zero"
    else:
        reset = reading.reset
        current, lost, gain = _dynamics(values, reading, reading.tool.gain)
        rest = np.zeros(()) if reset == "subtract" else values["v_reset"]
        rise = values["v_threshold"] - rest
        leak = values["v_leak"] - rest if "v_leak" in node.values else np.zeros(())
    _check_gain(values, gain, reading)
    if (rise <= 0).any():
        what = f"its threshold is {rise.min():g} above v_reset"
        values.refuse(what, "thresholds above v_reset", "shift its voltages")
    if problems:
        return None, list(dict.fromkeys(problems))
    ratio = rise / gain
    common = np.sort(ratio, axis=None)[ratio.size // 2]
    if not (ratio.min() > SMALLEST and ratio.max() < LARGEST):
        what = f"its threshold is {ratio.min():g} to {ratio.max():g} inputs of 1"
        values.refuse(what, f"{SMALLEST:g} to {LARGEST:g}", "scale its weights")
        return None, problems
    threshold = _threshold(common, reading)
    gain, drives = common / ratio, _leaking(leak * common / rise, lost, reading)
    dt = reading.dt * MS
    before_leak = reset == "subtract" and reading.tool.subtracts_before_leak
    if reset == "zero" or (before_leak and lost == 1):  # nothing is left to subtract from
        return _with_current(CUBA(threshold, current, lost, dt=dt), gain, drives), []
    if before_leak and lost:
        threshold, more = _before_leak(lost, threshold)
        drives = (*drives, more)
    if reset == "subtract" and lost < 1 and (current == 1 or not feeds_itself):
        tau = ENDLESS if lost == 0 else -1 / math.log1p(-lost)
        neuron = ALIF(threshold, tau_membrane=tau * dt, beta=0.0, dt=dt)
        return _cell(neuron, gain, drives, current if current < 1 else None), []
    neuron = ResetCUBA(threshold, current, lost, reset, dt=dt)
    return _with_current(neuron, gain, drives), []


def integrating(node: Node, shape: tuple[int, ...], reading: Reading):
    """(Cell, problems) of a node of ``nir_graph.INTEGRATORS``, whose voltage is its output."""
    problems: list[Problem] = []
    values = _Values(node, shape, problems)
    current, lost, gain = _dynamics(values, reading, reading.tool.gain_of_li)
    leak = values["v_leak"] if "v_leak" in node.values else np.zeros(())
    if problems:
        return None, list(dict.fromkeys(problems))
    neuron = CUBA(threshold=1.0, current_decay=current, voltage_decay=lost, dt=reading.dt * MS)
    return _with_current(neuron, gain, _leaking(leak, lost, reading)), []


def _leaking(leak: np.ndarray, lost: float, reading: Reading) -> tuple[Drive, ...]:
    """What ``leak``, the v_leak above the voltage of the start or of the reset, adds per step."""
    if not leak.any() or not lost:
        return ()
    return ((leak, (1.0, lost - 1) if reading.tool.starts_at_leak else (lost,)),)


def _with_current(neuron, gain: np.ndarray, drives: tuple[Drive, ...]) -> Cell:
    """The cell of a neuron with a current of its own, for ``drives`` of its voltage.

    The current holds the drives as well then: of d[t] beside its input, what it is to hold, it
    takes d[t] - (1 - current_decay) d[t-1] in.
    """
    kept = 1 - neuron.current_decay
    if kept:
        drives = tuple((factor, tuple(np.convolve(taps, (1, -kept)))) for factor, taps in drives)
    return _cell(neuron, gain, drives)


def _cell(neuron, gain, drives: tuple[Drive, ...], current_decay: float | None = None) -> Cell:
    """Drives that are constant from the first step on are an offset."""
    constant = [factor * taps[0] for factor, taps in drives if len(taps) == 1]
    if current_decay is not None or not constant:
        return Cell(neuron, gain, np.zeros(()), current_decay, drives)
    others = tuple((factor, taps) for factor, taps in drives if len(taps) > 1)
    return Cell(neuron, gain, sum(constant), None, others)


def _dynamics(values: _Values, reading: Reading, gain_of: str):
    """(decay of the current, decay of the voltage, gain) of a node."""
    kind, r = values.node.type, values["r"]
    if kind in ("I", "IF"):
        _finite(values, r)
        return 1.0, 0.0, _snapped(r if reading.tool.unit_if else r * reading.dt)
    steps, lost = values.decay("tau_mem" if kind.startswith("Cuba") else "tau", reading)
    gain = np.ones(())
    if steps == math.inf:
        # r = tau / dt in the limit of neurons without a leak, as snnTorch writes them.
        if np.isfinite(r).any():
            values.refuse("tau is infinite, and 'r' is not", "gains above 0", "use an IF node")
    elif gain_of == "euler":
        _finite(values, r)
        gain = _snapped(r / steps)
    elif gain_of == "held":
        _finite(values, r)
        gain = r * lost
    else:
        _check_step(values, r, steps, reading)
    if not kind.startswith("Cuba"):
        return 1.0, lost, gain
    steps, current = values.decay("tau_syn", reading)
    into = values["w_in"]
    if gain_of == "one":  # Rockpool: an input decays in the step in which it comes
        return current, lost, gain * into * (1 - current)
    return current, lost, gain * (into if steps == math.inf else _snapped(into / steps))


def _check_step(values: _Values, r: np.ndarray, steps: float, reading: Reading) -> None:
    """Rockpool writes r = (tau / dt) exp(-dt / tau), and has a gain of 1; sinabs writes r = 1."""
    written = steps * math.exp(-1 / steps)
    if not (np.abs(r - 1) < ROUNDING).all() and not (np.abs(r / written - 1) < STEP).all():
        values.refuse(
            f"'r' is {float(r.flat[0]):g}, and with steps of {reading.dt:g} s {written:g}",
            "'r' as the tool writes it for these steps",
            "give dt, the seconds per step of the network in the tool",
        )


def _finite(values: _Values, r: np.ndarray) -> None:
    if not np.isfinite(r).all():
        values.refuse("'r' is infinite", "finite numbers", "mend the graph")


def _snapped(gain: np.ndarray) -> np.ndarray:
    return np.where(np.abs(gain - 1) < ROUNDING, 1.0, gain)


def _check_gain(values: _Values, gain: np.ndarray, reading: Reading) -> None:
    if not (gain > 0).all():
        values.refuse(
            f"an input counts {gain.min():g} times", "gains above 0", "turn the signs of weights"
        )
    elif reading.guessed and gain.max() <= LEAST_GAIN * (1 + ROUNDING):
        values.refuse(
            f"with steps of {reading.dt:g} s an input of 1 raises the voltage by {gain.max():g}, "
            "to the letter of NIR; some tools write the same and mean more",
            "graphs of a known tool",
            'name the tool that wrote it, as in tool="sinabs", or tool="nir" if it is so meant',
        )


def _threshold(value: float, reading: Reading) -> float:
    """Our neurons spike at the threshold: where the tool does not, it is the next float32."""
    return float32_from(value) if reading.tool.at_threshold else float32_above(value)


def _before_leak(lost: float, threshold: float) -> tuple[float, Drive]:
    """(threshold, drive) of a spike that subtracts the threshold theta before the leak.

    ``ALIF`` with beta=0 subtracts it after: v[t] = keep v[t-1] + z[t] - theta s[t-1]. Here it is
    v[t] = keep v[t-1] + z[t] - keep theta s[t-1], and spikes at theta. Then w = v + c with
    c = (keep - 1) theta is that ALIF neuron with the threshold keep theta and the input z + b,
    where b is c in the first step and (1 - keep) c later.
    """
    kept = float32_from((1 - lost) * threshold)
    return kept, (np.array(kept - threshold), (1.0, lost - 1))
