"""Which kernel runs: one ordered list per op, the first whose condition holds, reference last.

The ops ask here (``choose``) and run what they are told. Some conditions are known when an op is
traced (sizes, ranks). That of an event-driven kernel is not: it runs where few of the input are
nonzero, and else the next kernel of the list does; both are in the graph, and each step takes
one of them. ``keras_slayer.ops.explain`` prints the choices.

A constant was set by the benchmark that its candidates name: to move it, run that again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_slayer.ops import explanation, library

MIN_UNITS = 64  # events are worth finding; for fewer, each product passes over its input itself
FEW_UNITS = 32  # at most, for a weight gradient that passes over the input itself


def matmul_max_density(units: int | None) -> float:
    """Share of nonzero input above which the dense product is faster: 0.06 to 0.19."""
    return 0.19 - 8 / max(units or 64, 64)


def conv2d_max_density(weights_shape) -> float:
    """Share of nonzero input above which the dense product is faster.

    The events' product runs over the filters of a row of the kernel at once: the more of them,
    the less an event costs.
    """
    _, width, _, filters = weights_shape
    return 0.25 if width * filters >= 128 else 0.15


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of an op when it is called or traced.

    Attributes:
        spikes, weights: their static shapes; None where the rank is unknown, or there is none.
    """

    spikes: tuple | None = None
    weights: tuple | None = None

    @property
    def native(self) -> bool:
        return library.native() is not None

    @property
    def units(self) -> int | None:
        return self.weights[-1]

    @property
    def worth_events(self) -> bool:
        return self.native and (self.units is None or self.units >= MIN_UNITS)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A kernel and when it may run.

    Attributes:
        kernel: name, by which the op finds it.
        needs: the condition in words.
        condition: whether it holds.
        max_density: share of nonzero input up to which it runs, decided at run time; above, the
            next candidate does. None: whatever the input is.
        benchmark: what set the constants of the two: a file of ``benchmarks/``, and what it times.
    """

    kernel: str
    needs: str
    condition: Callable[[Facts], bool]
    max_density: Callable[[Facts], float] | None = None
    benchmark: str = ""


def _native(facts: Facts) -> bool:
    return facts.native


def _matmul_density(facts: Facts) -> float:
    return matmul_max_density(facts.units)


def _conv2d_density(facts: Facts) -> float:
    return conv2d_max_density(facts.weights)


def _worth_events(facts: Facts) -> bool:
    return facts.worth_events


def _few_units(facts: Facts) -> bool:
    return facts.native and not facts.worth_events


_NATIVE = "the native ops"
_MANY_UNITS = f"the native ops and {MIN_UNITS} units or more"
DENSE = Candidate("dense", _NATIVE, _native)
REFERENCE = Candidate("reference", "nothing", lambda facts: True)
IN_TURN = Candidate("synapse, then neuron", "nothing", lambda facts: True)


_DENSITY = "synapses.py: the crossover of events and dense product, over densities of the input"
_UNITS = "synapses.py: 512 inputs and 32 units, and 128 units, against the dense product"
_MATMUL = f"{_DENSITY}; {_UNITS}"


def _one_pass(needs: str, condition, max_density, benchmark) -> tuple[Candidate, ...]:
    """The candidates of a synapse with its neurons, for sparse input and for any other."""
    return (
        Candidate("one pass over events", needs, condition, max_density, benchmark),
        Candidate("dense, then neuron", needs, condition),
        IN_TURN,
    )


# By op. "dense" is TensorFlow's own product.
CANDIDATES = {
    "matmul and neuron": _one_pass(
        f"{_MANY_UNITS}, and input of the axes (batch, time, inputs)",
        lambda facts: facts.worth_events and len(facts.spikes) == 3,
        _matmul_density,
        _MATMUL,
    ),
    "matmul": (
        Candidate("events", _MANY_UNITS, _worth_events, _matmul_density, _MATMUL),
        Candidate(
            "few units",
            f"the native ops and fewer than {MIN_UNITS} units",
            _few_units,
            benchmark=_UNITS,
        ),
        DENSE,
        REFERENCE,
    ),
    "gradient of matmul's weights": (
        Candidate("events", _MANY_UNITS, _worth_events, _matmul_density, _MATMUL),
        Candidate(
            "few units",
            f"the native ops and at most {FEW_UNITS} units",
            lambda facts: _few_units(facts) and facts.units <= FEW_UNITS,
            benchmark=_UNITS,
        ),
        DENSE,
        REFERENCE,
    ),
    "conv2d and neuron": _one_pass(_NATIVE, _native, _conv2d_density, _DENSITY),
    "conv2d": (
        Candidate("events", _NATIVE, _native, _conv2d_density, _DENSITY),
        DENSE,
        REFERENCE,
    ),
    "gradient of conv2d's weights": (
        Candidate("events", _NATIVE, _native, _conv2d_density, _DENSITY),
        DENSE,
        REFERENCE,
    ),
    "sum_pool2d and neuron": (Candidate("one pass", _NATIVE, _native), IN_TURN),
    "delay": (Candidate("native", _NATIVE, _native), REFERENCE),
    "quantize": (Candidate("native", _NATIVE, _native), REFERENCE),
}


@dataclasses.dataclass(frozen=True)
class Choice:
    """What runs.

    Attributes:
        op, facts: what was asked.
        layer: the layer that asks, where it is known.
        kernel: the candidate's name.
        max_density: share of nonzero input up to which it runs; None: always.
        otherwise: what runs above that.
    """

    op: str
    facts: Facts
    layer: str
    kernel: str
    max_density: float | None = None
    otherwise: str | None = None

    @property
    def is_reference(self) -> bool:
        return self.kernel == REFERENCE.kernel

    def run(self, kernels: dict[str, Callable], dense=None):
        """What the chosen kernel returns.

        Args:
            kernels: a function without arguments for each name that can be chosen here.
            dense: whether the input has more nonzeros than ``max_density``: a scalar tensor.
        """
        if self.max_density is None:
            return kernels[self.kernel]()
        return tf.cond(dense, kernels[self.otherwise], kernels[self.kernel])


def _sizes(shape: tf.TensorShape | None) -> tuple | None:
    return None if shape is None or shape.rank is None else tuple(shape)


def choose(op: str, spikes=None, weights=None, layer: str | None = None) -> Choice:
    """The kernel of ``op`` for tensors of these static shapes.

    Args:
        op: key of ``CANDIDATES``.
        spikes, weights: static shapes; None where there are none.
        layer: the layer that asks; None for the one that is called now.
    """
    facts = Facts(_sizes(spikes), _sizes(weights))
    first, *others = (c for c in CANDIDATES[op] if c.condition(facts))
    layer = explanation.current_layer() if layer is None else layer
    if first.max_density is None:
        choice = Choice(op, facts, layer, first.kernel)
    else:
        limit = first.max_density(facts)
        choice = Choice(op, facts, layer, first.kernel, limit, others[0].kernel)
    if explanation.wanted():
        explanation.tell_choice(choice, CANDIDATES[op])
    return choice
