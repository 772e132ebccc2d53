"""to_nir and from_nir: a model, its graph, and the model of that graph make the same spikes."""

import h5py
import keras
import nir
import nir_oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, from_nir, to_nir

DT = 1e-4
CONSTANT = keras.initializers.Constant
LEAKY = ks.CUBA(threshold=1.25, current_decay=0.25, voltage_decay=0.125)


def spikes(shape, steps=20, batch=2, rate=0.4, seed=0):
    return (np.random.default_rng(seed).random((batch, steps, *shape)) < rate).astype(np.float32)


def lively(model, seed=0):
    """Weights in units of 1/64, so that sums are exact, with a mean above 0; whole delays."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "delay" in weight.path:
            weight.assign(rng.integers(0, 6, weight.shape))
        else:
            fan_in = max(1, np.prod(weight.shape[:-1]))
            weight.assign(np.round(rng.normal(0.5, 1.5, weight.shape) / fan_in**0.5 * 64) / 64)
    return model


def assert_round_trip(model, *, exact=True, names=None):
    """The graph, and what is read from it, do what the model does."""
    x = [spikes(tuple(i.shape[2:]), seed=n) for n, i in enumerate(model.inputs)]
    graph = to_nir(model)
    expected = [np.asarray(y) for y in keras.tree.flatten(model(x if len(x) > 1 else x[0]))]
    read = [np.asarray(y) for y in keras.tree.flatten(from_nir(graph)(x if len(x) > 1 else x[0]))]
    run = list(nir_oracle.run(graph, dict(zip(graph.inputs, x, strict=True))).values())
    for one, two, three in zip(expected, read, run, strict=True):
        if exact:
            np.testing.assert_array_equal(two, one)
        else:
            np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(three, one, rtol=1e-4, atol=1e-5)
    return graph, expected


def images():
    return keras.Sequential(
        [
            keras.Input((None, 9, 8, 2)),
            ks.SpikingConv2D(4, 3, padding="same", neuron=LEAKY, use_bias=True),
            ks.SpikingSumPooling2D(2, neuron=LEAKY),
            keras.layers.Dropout(0.5),
            ks.SpikingConv2D(6, (2, 3), strides=(1, 2), groups=2, neuron=ks.CUBA(0.5, 1.0, 0.5)),
            ks.DelayLayer(per="neuron"),
            ks.Flatten(),
            ks.DelayLayer(per="channel"),
            ks.SpikingDense(7, neuron=LEAKY, use_bias=True),
        ]
    )


def test_images():
    graph, (found,) = assert_round_trip(lively(images()))
    assert 0.05 < found.mean() < 0.95
    kinds = sorted(type(node).__name__ for node in graph.nodes.values())
    expected = (
        "Input Conv2d CubaLIF SumPool2d CubaLIF Conv2d LIF Delay Flatten Delay Affine CubaLIF"
    )
    assert kinds == sorted([*expected.split(), "Output"])


def branches():
    a, b = keras.Input((None, 6), name="a"), keras.Input((None, 4), name="b")
    both = keras.layers.Add()([keras.layers.Dense(5, name="wa")(a), keras.layers.Dense(5)(b)])
    hidden = ks.SpikingActivation(LEAKY)(both)
    deep = ks.SpikingDense(5, neuron=LEAKY)(hidden)
    voltage = ks.TemporalFilter(LEAKY)(keras.layers.Dense(3)(deep))
    return keras.Model([a, b], [keras.layers.Add()([deep, hidden]), voltage])


def test_branches_with_several_inputs_and_outputs():
    _, (sums, voltage) = assert_round_trip(lively(branches()), exact=False)
    assert set(np.unique(sums)) == {0, 1, 2} and voltage.any()


def test_inputs_and_outputs_by_name_and_a_sum_by_plus():
    """Keras counts those of a dict in the order of their names."""
    a, b = keras.Input((None, 6), name="z"), keras.Input((None, 4), name="a")
    hidden = ks.SpikingDense(5, LEAKY)(a) + ks.SpikingDense(5, LEAKY)(b)
    outputs = {"y": ks.SpikingDense(3, LEAKY)(hidden), "x": ks.SpikingDense(2, LEAKY)(hidden)}
    model = lively(keras.Model({"z": a, "a": b}, outputs))
    assert [tuple(found.shape) for found in model.inputs] == [(None, None, 4), (None, None, 6)]
    x = {"z": spikes((6,)), "a": spikes((4,))}
    expected = model(x)
    read = from_nir(to_nir(model))
    for name, found in zip(sorted(outputs), read([x["a"], x["z"]]), strict=True):
        assert np.asarray(found).any()
        np.testing.assert_array_equal(found, expected[name])


@pytest.mark.parametrize("current", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("voltage", [1.0, 0.25, 0.0])
def test_decays(current, voltage):
    neuron = ks.CUBA(1.5, current, voltage)
    model = keras.Sequential([keras.Input((None, 8)), ks.SpikingDense(6, neuron=neuron)])
    _, (found,) = assert_round_trip(lively(model, seed=3))
    assert found.any()


def test_a_voltage_at_the_threshold_spikes_for_readers_that_fire_above_and_at():
    neuron = ks.CUBA(0.7, 1.0, 1.0)
    model = keras.Sequential([keras.Input((None, 1)), ks.SpikingDense(1, neuron=neuron)])
    theta = np.float32(0.7)
    for weight, fires in ((theta, 1), (np.nextafter(theta, np.float32(0)), 0)):
        model.set_weights([np.array([[weight]])])
        one = np.ones((1, 1, 1), np.float32)
        graph = to_nir(model)
        assert np.asarray(from_nir(graph)(one)).item() == np.asarray(model(one)).item() == fires
        assert nir_oracle.run(graph, one, fires="above").item() == fires
    model.set_weights([np.array([[theta]])])
    assert nir_oracle.run(to_nir(model), one, fires="at").item() == 1


def test_files(tmp_path):
    model = lively(images())
    graph = to_nir(model, tmp_path / "a.nir", dt=1e-3)
    assert graph.metadata == {"dt": 1e-3}
    assert float(nir.read(tmp_path / "a.nir", type_check=False).metadata["dt"]) == 1e-3
    with h5py.File(tmp_path / "a.nir") as file:  # nir 1.0.4 refuses files with a v_reset
        names = []
        file.visit(names.append)
    assert any(name.endswith("v_threshold") for name in names)
    assert not any(name.endswith("v_reset") for name in names)
    x = spikes((9, 8, 2))
    np.testing.assert_array_equal(from_nir(tmp_path / "a.nir")(x), model(x))
    with pytest.raises(ValueError, match="folder"):
        to_nir(model, tmp_path / "none" / "a.nir")
    with pytest.raises(ValueError, match="dt must be"):
        to_nir(model, dt=0)


def test_an_input_that_nothing_reads(tmp_path):
    """nir makes an output of it. For the chip's integers that is no matter: they name outputs."""
    used, unread = keras.Input((20, 5)), keras.Input((20, 4), name="unread")
    model = keras.Model([used, unread], ks.SpikingDense(3, LEAKY)(used))
    with pytest.raises(ValueError, match="unread: nothing reads this input"):
        to_nir(model, tmp_path / "a.nir")
    assert not list(tmp_path.iterdir())
    model = keras.Model([used, unread], ks.SpikingDense(3, "loihi")(used))
    model.export_loihi(tmp_path / "a.nir")
    assert len(nir.read(tmp_path / "a.nir").inputs) == 2
    simulator = LoihiSimulator(tmp_path / "a.nir")
    assert simulator.input_shape == [(5,), (4,)]
    assert simulator.output_shape == (3,)
    read = from_nir(tmp_path / "a.nir")
    assert (len(read.inputs), len(read.outputs)) == (2, 1)


def test_all_that_nir_cannot_hold_is_named():
    x = keras.Input((None, 4))
    y = ks.SpikingDense(4, neuron="srm", name="srm")(x)
    model = keras.Model(x, y)
    with pytest.raises(ValueError, match=r"written as NIR .1 problem.*\n.*srm: its neuron is SRM"):
        to_nir(model)
    layers = [
        (keras.layers.LayerNormalization(name="bad"), "LayerNormalization has no node in NIR"),
        (keras.layers.Dense(3, "relu", name="bad"), "it has an activation"),
        (
            ks.SpikingDense(3, "loihi", name="bad"),
            "its neuron is LoihiCUBA; .*export_loihi",
        ),
        (ks.TemporalFilter("srm", name="bad"), "its kernel is not that of a CUBA neuron"),
        (ks.SpikingDense(3, LEAKY, return_state=True, name="bad"), "it returns its state"),
        (
            ks.SpikingDense(3, LEAKY, kernel_initializer=CONSTANT(np.inf), name="bad"),
            "it has weights that are not finite",
        ),
    ]
    for layer, what in layers:
        with pytest.raises(ValueError, match=f"bad: {what}"):
            to_nir(keras.Model(x, layer(x)))
    image = keras.Input((None, 5, 5, 1))
    conv = ks.SpikingConv2D(2, 2, strides=2, padding="same", neuron=LEAKY, name="even")
    pool = ks.SpikingSumPooling2D(2, 1, "same", neuron=LEAKY, name="pool")
    for layer in (conv, pool):
        with pytest.raises(ValueError, match="more zeros at the end"):
            to_nir(keras.Model(image, layer(image)))
    with pytest.raises(ValueError, match="a flattened image is an output"):
        to_nir(keras.Model(image, ks.Flatten()(image)))
    dense = keras.layers.Dense(4)
    with pytest.raises(ValueError, match="used more than once"):
        to_nir(keras.Model(x, dense(dense(x))))
    with pytest.raises(ValueError, match="it adds a constant"):
        to_nir(keras.Model(x, x + 1.0))
    with pytest.raises(ValueError, match=r"model must be a keras\.Model\. Received: NoneType"):
        to_nir(None)
    with pytest.raises(ValueError, match="it sums a tensor with itself"):
        to_nir(keras.Model(x, keras.layers.Add()([x, x])))


def random_model(draw):
    """Models of dense and convolutional layers, pools, delays and branches."""
    neuron = st.builds(
        ks.CUBA,
        st.sampled_from([0.5, 1.0, 1.75]),
        st.sampled_from([1.0, 0.5, 0.25]),
        st.sampled_from([1.0, 0.25, 0.125, 0.0]),
    )
    size = st.integers(1, 4)
    image = draw(st.booleans())
    x = first = keras.Input((None, *((draw(st.integers(4, 7)), 6, 2) if image else (5,))))
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["layer", "delay", "pool", "branch", "flatten"]))
        if kind == "delay":
            x = ks.DelayLayer(per=draw(st.sampled_from(["neuron", "channel"])))(x)
        elif kind == "flatten" and image:
            x, image = ks.SpikingDense(draw(size), neuron=draw(neuron))(ks.Flatten()(x)), False
        elif kind == "pool" and image and min(x.shape[2:4]) > 3:
            x = ks.SpikingSumPooling2D(draw(st.integers(1, 2)), neuron=draw(neuron))(x)
        elif image:
            options = {"padding": "same", "neuron": draw(neuron), "use_bias": draw(st.booleans())}
            y = ks.SpikingConv2D(2, draw(st.sampled_from([1, 2, 3])), **options)(x)
            x = keras.layers.Add()([x, y]) if kind == "branch" and x.shape == y.shape else y
        else:
            y = ks.SpikingDense(5, neuron=draw(neuron), use_bias=draw(st.booleans()))(x)
            x = keras.layers.Add()([x, y]) if kind == "branch" and x.shape == y.shape else y
    return lively(keras.Model(first, x), seed=draw(st.integers(0, 99)))


@settings(max_examples=10)
@given(st.data())
def test_random_models(data):
    assert_round_trip(random_model(data.draw))
