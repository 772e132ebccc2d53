"""Which kernel runs, and what ``ops.explain`` says about it."""

import pathlib

import cases
import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_ops import NEURONS, matmul_layer

import keras_slayer as ks
from keras_slayer import ops
from keras_slayer.ops import explanation, selection

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"
NEURON = NEURONS["srm-exponential-slayer"]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """As it is outside of these tests: few units without events, nothing explained."""
    monkeypatch.setattr(selection, "MIN_UNITS", 64)
    monkeypatch.setattr(explanation, "_switch", None)
    monkeypatch.setattr(explanation, "_told", set())
    monkeypatch.delenv("KERAS_SLAYER_EXPLAIN", raising=False)


def chosen(op, spikes=None, weights=None, backend="native"):
    spikes, weights = (None if s is None else tf.TensorShape(s) for s in (spikes, weights))
    with cases.backend(backend):
        choice = selection.choose(op, spikes, weights)
    return choice.kernel, choice.otherwise


ONE_PASS = ("one pass over events", "dense, then neuron")
IN_TURN = ("synapse, then neuron", None)


@pytest.mark.parametrize(
    ("op", "spikes", "weights", "expected"),
    [
        ("matmul and neuron", (None, None, 20), (20, 64), ONE_PASS),
        ("matmul and neuron", (None, None, 20), (20, None), ONE_PASS),
        ("matmul and neuron", (None, None, 20), (20, 63), IN_TURN),
        ("matmul and neuron", (None, None, 5, 20), (20, 64), IN_TURN),
        ("matmul", (2, 3, 20), (20, 64), ("events", "dense")),
        ("matmul", (2, 3, 20), (20, 63), ("few units", None)),
        ("gradient of matmul's weights", (2, 3, 20), (20, 64), ("events", "dense")),
        ("gradient of matmul's weights", (2, 3, 20), (20, 33), ("dense", None)),
        ("gradient of matmul's weights", (2, 3, 20), (20, 32), ("few units", None)),
        ("recurrent neurons", (2, 3, 20), (20, 20), ("one loop", None)),
        ("gradient of recurrent weights", (2, 3, 33), (33, 33), ("events", None)),
        ("gradient of recurrent weights", (2, 3, 32), (32, 32), ("few units", None)),
        ("conv2d and neuron", (2, 3, 5, 5, 2), (3, 3, 2, 4), ONE_PASS),
        ("conv2d", (2, 3, 5, 5, 2), (3, 3, 2, 4), ("events", "dense")),
        ("gradient of conv2d's weights", (2, 3, 5, 5, 2), (3, 3, 2, 4), ("events", "dense")),
        ("sum_pool2d and neuron", (2, 3, 5, 5, 2), None, ("one pass", None)),
        ("delay", (2, 3, 5), (5,), ("native", None)),
        ("quantize", None, (5, 6), ("native", None)),
    ],
)
def test_choices(op, spikes, weights, expected):
    assert chosen(op, spikes, weights) == expected
    reference = selection.IN_TURN if op.endswith("and neuron") else selection.REFERENCE
    assert chosen(op, spikes, weights, "reference") == (reference.kernel, None)


@pytest.mark.parametrize("op", selection.CANDIDATES)
def test_lists_end_in_what_always_runs(op):
    candidates = selection.CANDIDATES[op]
    assert candidates[-1] in (selection.IN_TURN, selection.REFERENCE)
    assert candidates[-1].condition(selection.Facts())
    assert len({c.kernel for c in candidates}) == len(candidates)
    assert candidates[-1].max_density is None
    for candidate in candidates:
        if candidate.max_density is not None or candidate.kernel == "few units":
            assert (BENCHMARKS / candidate.benchmark.split(":")[0]).is_file()


def test_the_density_that_is_chosen():
    conv = tf.TensorShape([2, 3, 5, 5, 2]), tf.TensorShape([5, 5, 2, 12])
    with cases.backend("native"):
        limits = (
            selection.choose("matmul", tf.TensorShape([2, 3, 20]), tf.TensorShape([20, 512])),
            selection.choose("conv2d", *conv),
        )
    assert [choice.max_density for choice in limits] == [0.1, 0.15]  # the first by conftest.py


def network():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((9, 6, 6, 2)),
            ks.SpikingConv2D(4, 3, name="image"),
            ks.SpikingSumPooling2D(2, name="pool"),
            ks.Flatten(),
            ks.SpikingDense(70, name="wide"),
            ks.SpikingDense(3, name="readout", neuron="loihi"),
        ]
    )


def run(model, density):
    """A training step on input of exactly this density, and again: the lines come once."""
    x = np.zeros(2 * 9 * 72, np.float32)
    x[: round(density * x.size)] = 1
    x = x.reshape(2, 9, 6, 6, 2)
    for _ in range(2):
        model.train_on_batch(x, np.zeros(2, "int32"))


def said(capsys):
    lines = capsys.readouterr().err.splitlines()
    return [line.removeprefix("keras_slayer: ") for line in lines if "keras_slayer: " in line]


def test_explanation_of_a_network(capsys, monkeypatch):
    monkeypatch.setenv("KERAS_SLAYER_EXPLAIN", "1")
    with cases.backend("native"):
        model = network()
        model.compile("adam", ks.SpikeMaxLoss())
        run(model, 0.125)
        run(model, 0.5)
        run(model, 0.125)
    lines = said(capsys)
    assert len(lines) == len(set(lines))
    one_pass = (
        "one pass over events where at most {} of the input is nonzero, else dense, then neuron"
    )
    few = "('events' needs the native ops on a CPU and 64 units or more)"
    for expected in (
        f"image: conv2d and neuron, input 6x6x2, weights 3x3x2x4: {one_pass.format('15.0%')}",
        "image: gradient of conv2d's weights, input 6x6x2, weights 3x3x2x4: "
        "events where at most 15.0% of the input is nonzero, else dense "
        "('frames' needs the native ops on a GPU)",
        "pool: sum_pool2d and neuron, input 4x4x4: one pass",
        f"wide: matmul and neuron, input 16, weights 16x70: {one_pass.format('10.0%')}",
        "readout: quantize, weights 70x3: native",
        "readout: matmul and neuron, input 70, weights 70x3: synapse, then neuron "
        "('one pass over events' needs the native ops on a CPU and 64 units or more, and input of "
        "the axes (batch, time, inputs))",
        f"readout: matmul, input 70, weights 70x3: few units {few}",
        f"readout: gradient of matmul's weights, input 70, weights 70x3: few units {few}",
        # At run time.
        "image: conv2d and neuron: 12.5% of the input is nonzero: one pass over events",
        "image: conv2d and neuron: 50.0% of the input is nonzero: dense, then neuron",
    ):
        assert lines.count(expected) == 1, (expected, lines)
    assert sum(line.startswith("image: conv2d and neuron: ") for line in lines) == 2


def test_explanation_of_the_reference(capsys):
    ops.explain()
    with cases.backend("reference"):
        network()(np.zeros((2, 9, 6, 6, 2), np.float32))
    lines = said(capsys)
    for expected in (
        "wide: matmul, input 16, weights 16x70: reference ('events' needs the native ops on a CPU "
        "and 64 units or more; 'few units' needs the native ops and fewer than 64 units, or a GPU; "
        "'dense' needs the native ops)",
        "image: conv2d, input 6x6x2, weights 3x3x2x4: reference ('frames' needs the native ops on "
        "a GPU; 'events' needs the native ops on a CPU; 'dense' needs the native ops)",
    ):
        assert expected in lines
    assert not any("of the input is nonzero" in line for line in lines)


def test_explanation_outside_of_layers(capsys):
    ops.explain()
    with cases.backend("native"):
        ops.spike_matmul(tf.zeros((1, 4, 20)), tf.zeros((20, 64)))
        with tf.name_scope("mine"):
            ops.spike_matmul(tf.ones((1, 4, 20)), tf.zeros((20, 64)))
    assert said(capsys) == [
        "outside of layers: matmul, input 20, weights 20x64: events where at most 10.0% of the "
        "input is nonzero, else dense",
        "outside of layers: matmul: 0.0% of the input is nonzero: events",
        "mine: matmul, input 20, weights 20x64: events where at most 10.0% of the input is "
        "nonzero, else dense",
        "mine: matmul: 100.0% of the input is nonzero: dense",
    ]


@pytest.mark.parametrize("value", [None, "", "0"])
def test_nothing_is_said_unless_asked(value, capsys, monkeypatch):
    if value is not None:
        monkeypatch.setenv("KERAS_SLAYER_EXPLAIN", value)
    with cases.backend("native"):
        graph = tf.function(lambda x: matmul_layer(x, tf.zeros((20, 64)), None, NEURON)[0])
        traced = graph.get_concrete_function(tf.TensorSpec([None, None, 20])).graph
    assert said(capsys) == []
    assert "PyFunc" not in {op.type for op in traced.get_operations()}


def test_explain_can_be_stopped_and_outranks_the_environment(capsys, monkeypatch):
    monkeypatch.setenv("KERAS_SLAYER_EXPLAIN", "1")
    ops.explain(False)
    with cases.backend("native"):
        ops.delay(tf.zeros((1, 4, 20)), 1.0)
        assert said(capsys) == []
        ops.explain()
        ops.delay(tf.zeros((1, 4, 20)), 1.0)
    assert said(capsys) == ["outside of layers: delay, input 20, weights 1: native"]


def test_other_values_of_the_variable_are_refused(monkeypatch):
    monkeypatch.setenv("KERAS_SLAYER_EXPLAIN", "yes")
    with (
        cases.backend("native"),
        pytest.raises(ValueError, match=r"must be '0', '1' or unset\. Received: .*'yes'"),
    ):
        ops.delay(tf.zeros((1, 4, 20)), 1.0)


def test_the_same_results_while_explained(capsys):
    """Gradients and bits: what measures the density only looks."""
    rng = np.random.default_rng(2)
    x = tf.constant(cases.spikes_like(rng, (2, 9, 30), 0.05), tf.float32)
    w = tf.constant(rng.normal(size=(30, 70)), tf.float32)

    @tf.function
    def step(x, w):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([x, w])
            spikes, _ = matmul_layer(x, w, None, NEURON)
            loss = tf.reduce_sum(spikes)
        return spikes, *tape.gradient(loss, [x, w])

    with cases.backend("native"):
        expected = step(x, w)
        ops.explain()
        actual = tf.function(step.python_function)(x, w)
    assert len(said(capsys)) == 3
    for a, e in zip(actual, expected, strict=True):
        assert np.any(e)
        np.testing.assert_array_equal(a, e)
