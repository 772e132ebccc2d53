"""Runs a model and adds up what every layer does."""

from __future__ import annotations

import contextlib
import math

import keras
import tensorflow as tf

from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.layers.temporal_layer import TemporalLayer
from keras_slayer.profiling import standard
from keras_slayer.profiling.figures import LayerProfile
from keras_slayer.profiling.kinds import Call, has_activations, has_neurons, has_synapses, rule_of
from keras_slayer.profiling.synapses import SynapseCounts, count_nonzero
from keras_slayer.profiling.walk import Part, parts_of
from keras_slayer.watching import wrapped

UNSEEN = "it did not run where it can be watched"
TRACED = "it ran within a tf.function, where there are no values"
UNKNOWN = "unknown kind"
ONLY_ITS_LAYERS = "unknown kind without weights of its own: the layers in it are counted"


class Counter:
    """Runs a model batch by batch.

    Args:
        model: a built model.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model, self.parts = model, parts_of(model)
        self.samples = 0
        self.uses: dict[tuple, Use] = {}
        self._within: list[tuple] = []  # uses of layers of unknown kind whose call is running
        self._calls: dict[int, list[tuple]] = {}  # uses of each layer in this batch
        self._paused = False

    def run(self, x, samples: int) -> None:
        """Runs ``samples`` samples ``x`` in inference mode."""
        self._calls, self.samples = {}, self.samples + samples
        parts = {part.layer: part for part in self.parts}
        with wrapped(list(parts), "call", lambda layer, call: self._watched(parts[layer], call)):
            self.model(x, training=False)

    def profiles(self) -> tuple[LayerProfile, ...]:
        """Of all uses in the order of computation, then of the parts that did not run."""
        ran = {id(use.part) for use in self.uses.values()}
        rest = [Use(part, part.name) for part in self.parts if part.name and id(part) not in ran]
        return tuple(use.profile(self.samples) for use in (*self.uses.values(), *rest))

    def variables(self) -> list[keras.Variable]:
        """Of all parts, each once."""
        return list({id(v): v for part in self.parts for v in part.own_variables}.values())

    def _watched(self, part: Part, call):
        def watched(*args, **kwargs):
            if self._paused:
                return call(*args, **kwargs)
            if part.per_step:
                return self._per_step(part, call, args, kwargs)
            key = self._key(part)
            with self._inside(part, key):
                result = call(*args, **kwargs)
            self._use(part, key).add(_first(args, kwargs), _without_state(part, result), kwargs)
            return result

        return watched

    def _per_step(self, part: Part, call, args, kwargs):
        """A layer that is applied to every step, as one call with the steps as samples."""
        inputs = _first(args, kwargs)
        self._paused = True
        try:
            result = call(*args, **kwargs)
        finally:
            self._paused = False
        folded = keras.tree.map_structure(_folded, inputs)
        if part.holds:
            part.core(folded)
        if part.name is not None:
            outputs = keras.tree.map_structure(_folded, result)
            self._use(part, self._key(part)).add(folded, outputs, {})
        return result

    def _key(self, part: Part) -> tuple:
        """Which use of a part this is. All calls from one call of another layer are one use."""
        calls = self._calls.setdefault(id(part.layer), [])
        place = tuple(self._within)
        if not place or place not in calls:
            calls.append(place)
        number = calls.index(place) if place else len(calls) - 1
        return id(part.layer), number

    @contextlib.contextmanager
    def _inside(self, part: Part, key: tuple):
        holds = part.holds and not isinstance(part.layer, keras.Model)
        if holds:
            self._within.append(key)
        try:
            yield
        finally:
            if holds:
                self._within.pop()

    def _use(self, part: Part, key: tuple) -> Use:
        if key not in self.uses:
            _, number = key
            self.uses[key] = Use(part, f"{part.name}:{number}" if number else part.name)
        return self.uses[key]

    def weights(self) -> tuple[int, int] | None:
        """Weights of all parts, each once, and how many of them are zero."""
        counts = {id(use.part.core): use.weights for use in self.uses.values() if use.weights}
        return tuple(map(sum, zip(*counts.values(), strict=True))) if counts else None


class Use:
    """Adds up the calls of one use of a part.

    Args:
        part: it.
        name: of the use.
    """

    def __init__(self, part: Part, name: str) -> None:
        self.part, self.name = part, name
        self.synapses: dict[str, SynapseCounts] = {}
        self.outputs = self.nonzero_outputs = 0
        self.neurons: int | None = None
        self.why_not = UNSEEN
        self.note = ""

    def add(self, inputs, outputs, options: dict) -> None:
        """One call: its first argument, what it returned, and its arguments with names."""
        tensors = [t for t in keras.tree.flatten(outputs) if _is_numeric(t)]
        if any(tf.is_symbolic_tensor(tensor) for tensor in tensors):
            self.why_not = TRACED
            return
        if self.why_not == UNSEEN:
            self.why_not = ""
        for tensor in tensors:
            self.outputs += int(tf.size(tensor))
            self.nonzero_outputs += count_nonzero(tensor)
        core = self.part.core
        if has_neurons(core):
            self.neurons = math.prod(outputs.shape[2:])
        rule = rule_of(core)
        if rule is None:
            holds_all = self.part.holds and not self.part.own_variables
            if holds_all and not isinstance(core, standard.ATTENTION):
                self.note = ONLY_ITS_LAYERS
            else:
                self.why_not = UNKNOWN
            return
        try:
            found = rule(Call(core, inputs, outputs, options))
        except standard.NotCountedError as reason:
            self.why_not = str(reason)
            return
        for synapses in found:
            self.synapses.setdefault(synapses.name, SynapseCounts()).add(synapses)

    @property
    def weights(self) -> tuple[int, int] | None:
        """Weights that inputs are multiplied by, and how many of them are zero; None without."""
        counts = [(c.weights, c.zero_weights) for c in self.synapses.values() if c.weights]
        return tuple(map(sum, zip(*counts, strict=True))) if counts else None

    def profile(self, samples: int) -> LayerProfile:
        """What came of ``samples`` samples."""
        core, variables = self.part.core, self.part.own_variables
        fires = isinstance(core, SpikingLayer) and self.neurons is not None
        figures = {}
        if self.neurons is not None:
            figures |= {"neurons": self.neurons, "neuron_updates": self.outputs / samples}
        if fires:
            figures |= {
                "spikes": self.nonzero_outputs / samples,
                "spike_rate": self.nonzero_outputs / self.outputs if self.outputs else 0.0,
            }
        if self.outputs:
            figures |= {
                "outputs": self.outputs / samples,
                "nonzero_outputs": self.nonzero_outputs / samples,
            }
        counted = not self.why_not or not has_synapses(core)
        if counted:
            counts = self.synapses.values()
            effective = {
                binary: sum(c.effective for c in counts if c.binary is binary) / samples
                for binary in (True, False)
            }
            figures |= {
                "dense": sum(c.dense for c in counts) / samples,
                "macs": effective[False],
                "acs": effective[True],
            }
        if self.weights:
            figures |= dict(zip(("weights", "zero_weights"), self.weights, strict=True))
        return LayerProfile(
            name=self.name,
            type=self.part.type,
            parameters=sum(math.prod(v.shape) for v in variables),
            footprint=footprint(variables),
            active=has_activations(core) and bool(self.outputs),
            counted=counted,
            note=self.why_not or self.note,
            **figures,
        )


def footprint(variables) -> int:
    """Bytes of variables."""
    return sum(math.prod(v.shape) * tf.as_dtype(v.dtype).size for v in variables)


def _first(args, kwargs):
    return args[0] if args else next(iter(kwargs.values()), None)


def _without_state(part: Part, result):
    kinds = (TemporalLayer, keras.layers.RNN)
    returns_state = isinstance(part.core, kinds) and getattr(part.core, "return_state", False)
    return result[0] if returns_state else result


def _folded(x):
    """x (batch, time, ...) as (batch * time, ...)."""
    return tf.reshape(x, (-1, *x.shape[2:]))


def _is_numeric(x) -> bool:
    return tf.is_tensor(x) and (x.dtype.is_floating or x.dtype.is_integer or x.dtype.is_bool)
