"""Which kernel runs. Each op has an ordered list of candidates that ends in the reference.

The ops call ``choose``, which returns the first candidate whose condition holds. Sizes and ranks
are known when an op is traced. How many elements of the input are nonzero is not. So the graph
contains the event-driven kernel and the next candidate, and each step runs one of the two,
depending on the density of its input. ``keras_slayer.ops.explain`` prints the choices.

Each candidate names the benchmark that set its constants. Run it again before changing one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_slayer.ops import explanation, library

MIN_UNITS = 64  # fewest units for which finding events first is faster than FewUnitsMatmul
FEW_UNITS = 32  # most units for which FewUnitsMatmulWeightsGrad is faster than the dense product


def matmul_max_density(units: int | None) -> float:
    """Share of nonzero input above which the dense product is faster: 0.06 to 0.19."""
    return 0.19 - 8 / max(units or 64, 64)


def conv2d_max_density(weights_shape) -> float:
    """Share of nonzero input above which the dense product is faster.

    The event-driven kernel adds the filters of all taps of a kernel row at once. The more there
    are, the less time it takes per weight.
    """
    _, width, _, filters = weights_shape
    return 0.25 if width * filters >= 128 else 0.15


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known about an op when it is called or traced.

    Attributes:
        spikes, weights: static shapes; None if the rank is unknown or there is no such tensor.
    """

    spikes: tuple | None = None
    weights: tuple | None = None

    @property
    def native(self) -> bool:
        return library.native() is not None

    @property
    def gpu(self) -> bool:
        """Whether the native ops run on a GPU. Its kernels read spikes as they are and skip zeros,
        so that no list of events is made."""
        return self.native and library.on_gpu()

    @property
    def units(self) -> int | None:
        return self.weights[-1]

    @property
    def worth_events(self) -> bool:
        return self.native and not self.gpu and (self.units is None or self.units >= MIN_UNITS)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A kernel and when it may run.

    Attributes:
        kernel: its name, the key in the op's dictionary of kernels.
        needs: the condition in words.
        condition: whether it holds.
        max_density: the kernel runs if at most this share of the input is nonzero, otherwise the
            next candidate does; decided at run time. None if the density does not matter.
        benchmark: the benchmark that set the constants: a file of ``benchmarks/`` and its case.
    """

    kernel: str
    needs: str
    condition: Callable[[Facts], bool]
    max_density: Callable[[Facts], float] | None = None
    benchmark: str = ""


def _native(facts: Facts) -> bool:
    return facts.native


def _on_cpu(facts: Facts) -> bool:
    return facts.native and not facts.gpu


def _on_gpu(facts: Facts) -> bool:
    return facts.gpu


def _matmul_density(facts: Facts) -> float:
    return matmul_max_density(facts.units)


def _conv2d_density(facts: Facts) -> float:
    return conv2d_max_density(facts.weights)


def _worth_events(facts: Facts) -> bool:
    return facts.worth_events


def _few_units(facts: Facts) -> bool:
    return facts.native and not facts.worth_events


_NATIVE = "the native ops"
_ON_CPU = "the native ops on a CPU"
_ON_GPU = "the native ops on a GPU"
_MANY_UNITS = f"the native ops on a CPU and {MIN_UNITS} units or more"
DENSE = Candidate("dense", _NATIVE, _native)
REFERENCE = Candidate("reference", "nothing", lambda facts: True)
IN_TURN = Candidate("synapse, then neuron", "nothing", lambda facts: True)
# Frames of spikes as they are.
FRAMES = Candidate("frames", _ON_GPU, _on_gpu)


_DENSITY = "synapses.py: the crossover of events and dense product, over densities of the input"
_UNITS = "synapses.py: 512 inputs and 32 units, and 128 units, against the dense product"
_MATMUL = f"{_DENSITY}; {_UNITS}"


def _one_pass(needs: str, condition, max_density, benchmark) -> tuple[Candidate, ...]:
    """The candidates of a synapse with its neurons: for sparse input, for dense input, always."""
    return (
        Candidate("one pass over events", needs, condition, max_density, benchmark),
        Candidate("dense, then neuron", needs, condition),
        IN_TURN,
    )


# The candidates of each op. "dense" is TensorFlow's own product.
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
            f"the native ops and fewer than {MIN_UNITS} units, or a GPU",
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
            f"the native ops and at most {FEW_UNITS} units, or a GPU",
            lambda facts: facts.gpu or (_few_units(facts) and facts.units <= FEW_UNITS),
            benchmark=_UNITS,
        ),
        DENSE,
        REFERENCE,
    ),
    "conv2d and neuron": _one_pass(_ON_CPU, _on_cpu, _conv2d_density, _DENSITY),
    "conv2d": (
        FRAMES,
        Candidate("events", _ON_CPU, _on_cpu, _conv2d_density, _DENSITY),
        DENSE,
        REFERENCE,
    ),
    "gradient of conv2d's weights": (
        FRAMES,
        Candidate("events", _ON_CPU, _on_cpu, _conv2d_density, _DENSITY),
        DENSE,
        REFERENCE,
    ),
    "recurrent neurons": (Candidate("one loop", _NATIVE, _native), REFERENCE),
    "recurrent neurons of maps": (Candidate("one loop", _NATIVE, _native), REFERENCE),
    "gradient of recurrent weights": (
        Candidate(
            "few units",
            f"the native ops and at most {FEW_UNITS} units, or a GPU",
            lambda facts: facts.gpu or (facts.native and facts.units <= FEW_UNITS),
            benchmark=_UNITS,
        ),
        Candidate("events", _ON_CPU, _on_cpu),  # at any density: no other sums in a fixed order
        REFERENCE,
    ),
    "gradient of recurrent weights of maps": (
        FRAMES,
        Candidate("events", _ON_CPU, _on_cpu),  # as above
        REFERENCE,
    ),
    "sum_pool2d and neuron": (Candidate("one pass", _NATIVE, _native), IN_TURN),
    "delay": (Candidate("native", _NATIVE, _native), REFERENCE),
    "quantize": (Candidate("native", _NATIVE, _native), REFERENCE),
}


@dataclasses.dataclass(frozen=True)
class Choice:
    """The kernel that runs.

    Attributes:
        op, facts: the op and what is known about it.
        layer: name of the layer; may be empty.
        kernel: name of the chosen candidate.
        max_density: it runs if at most this share of the input is nonzero; None: always.
        otherwise: name of the candidate that runs above ``max_density``.
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

    def at_any_density(self) -> Choice:
        """The same kernel however dense the input is."""
        return self if self.max_density is None else dataclasses.replace(self, max_density=1.0)

    def run(self, kernels: dict[str, Callable], dense=None):
        """Runs the chosen kernel and returns its result.

        Args:
            kernels: a function without arguments for each candidate, by name.
            dense: scalar tensor: whether the density of the input is above ``max_density``.
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
        spikes, weights: static shapes; None if there is no such tensor.
        layer: name of the layer; None for the layer that is being called.
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
