"""Models that are no chains, with weights on the chip's grid."""

import keras
import numpy as np
from model_cases import FAST, NEURON, STEPS, delay

import keras_slayer as ks

SLOW = ks.LoihiCUBA(threshold_mantissa=300, current_decay=600, voltage_decay=50)
L = keras.layers


def dense(units, neuron=NEURON, **options):
    return ks.SpikingDense(units, neuron, **options)


def conv(filters, size=3, neuron=NEURON, **options):
    return ks.SpikingConv2D(filters, size, neuron=neuron, padding="same", **options)


def per_step(filters, size=3, **options):
    options = {"padding": "same", "use_bias": False} | options
    return ks.PerStep(L.Conv2D(filters, size, **options))


def vector(*channels):
    return [keras.Input((STEPS, n)) for n in channels or (9,)]


def image(*channels):
    return [keras.Input((STEPS, 6, 5, n)) for n in channels or (2,)]


def skip_over_two_layers():
    (x,) = vector()
    a = dense(9)(x)
    b = dense(9, SLOW)(dense(8)(a))
    return [x], dense(5)(L.Add()([a, b, x]))


def skip_of_images():
    (x,) = image()
    a = conv(3)(x)
    b = conv(3, neuron=SLOW)(a)
    return [x], dense(4)(ks.Flatten()(L.Add()([a, b])))


def joined_vectors():
    (x,) = vector()
    a, b = dense(7)(x), dense(4, FAST)(x)
    return [x], dense(6)(L.Concatenate()([a, x, b]))


def joined_images():
    """A convolution, a pool and a grouped convolution of joined channels."""
    (x,) = image()
    both = L.Concatenate()([conv(3)(x), x, conv(1, 1, FAST)(x)])
    pooled = ks.SpikingSumPooling2D(2, neuron=FAST)(both)
    grouped = conv(6, 2, SLOW, groups=3)(both)
    a, b = ks.Flatten()(pooled), ks.Flatten()(conv(2)(grouped))
    return [x], dense(5)(L.Concatenate()([a, b]))


def joined_rows():
    """Images above each other, read by dense synapses."""
    (x,) = image()
    a = conv(2)(x)
    return [x], dense(5)(ks.Flatten()(L.Concatenate(axis=2)([a, x])))


def images_above_each_other():
    """Read by convolutions with strides, dilation and groups: each sees its part and zeros."""
    (x,) = image()
    both = L.Concatenate(axis=2)([conv(2)(x), x, conv(2, neuron=FAST)(x)])
    a = ks.SpikingConv2D(3, 3, strides=2, neuron=NEURON, padding="same")(both)
    b = ks.SpikingConv2D(4, (2, 3), dilation_rate=(3, 1), groups=2, neuron=SLOW)(both)
    return [x], dense(5)(L.Concatenate()([ks.Flatten()(a), ks.Flatten()(b)]))


def padded():
    """Zeros around an image: what ``from_net`` makes of padding that Keras does not know."""
    (x,) = image()
    y = ks.PerStep(L.ZeroPadding2D(((2, 0), (1, 3))))(x)
    a = ks.SpikingConv2D(3, 3, neuron=NEURON)(y)
    b = ks.SpikingConv2D(2, 2, strides=(1, 2), neuron=SLOW)(L.Concatenate()([y, y]))
    return [x], dense(5)(L.Concatenate()([ks.Flatten()(a), ks.Flatten()(b), ks.Flatten()(y)]))


def sum_of_currents():
    (x,) = vector()
    a = dense(6)(x)
    z = L.Add()([L.Dense(5, use_bias=False)(x), L.Dense(5, use_bias=False)(a)])
    return [x], ks.SpikingActivation(NEURON)(z)


def mean_of_currents():
    """Halves of weights that are multiples of four."""
    (x,) = image()
    z = L.Average()([per_step(3)(x), per_step(3)(conv(2)(x))])
    return [x], ks.SpikingActivation(NEURON)(z)


def joined_currents():
    (x,) = image()
    z = L.Concatenate()([per_step(2)(x), per_step(3, 5)(conv(3)(x))])
    return [x], ks.SpikingActivation(SLOW)(z)


def spikes_added_to_currents():
    """The residual unit of "spiking ResNet": spikes join the input of the neurons."""
    (x,) = image(3)
    a = conv(3)(x)
    z = L.Add()([per_step(3)(a), x])
    y = ks.SpikingActivation(NEURON)(z)
    flat = ks.Flatten()(y)
    w = L.Add()([L.Dense(90, use_bias=False)(flat), ks.Flatten()(a)])
    return [x], ks.SpikingActivation(NEURON)(w)


def neurons_alone():
    (x,) = image()
    return [x], ks.SpikingActivation(ks.LoihiCUBA(100, 2000, 300))(conv(2)(x))


def constant_currents():
    """Biases of Keras' layers, and a normalisation that shifts."""
    (x,) = image()
    z = per_step(4, use_bias=True)(x)
    a = ks.SpikingActivation(SLOW)(z)
    y = L.BatchNormalization(epsilon=0.0)(L.Dense(6, use_bias=True)(ks.Flatten()(a)))
    return [x], ks.SpikingActivation(NEURON)(y)


def recurrent():
    (x,) = vector()
    a = ks.SpikingRecurrentDense(8, neuron=NEURON)(x)
    b = ks.SpikingRecurrentDense(6, neuron=SLOW)(L.Add()([delay(5)(x), dense(9)(a)]))
    return [x], dense(4)(L.Concatenate()([a, b]))


def recurrent_images():
    """Maps whose neurons feed each other, with kernels of even size and a late branch."""
    (x,) = image()
    a = ks.SpikingRecurrentConv2D(3, 3, padding="same", neuron=NEURON, recurrent_kernel_size=2)(x)
    late = ks.DelayLayer(delay_initializer=keras.initializers.Constant(2.0))(a)
    z = L.Add()([conv(3)(a), late])
    options = {"recurrent_kernel_size": (1, 3), "use_bias": True}
    b = ks.SpikingRecurrentConv2D(2, 2, 2, neuron=SLOW, **options)(z)
    return [x], dense(5)(ks.Flatten()(b))


def shared_layers():
    (x,) = vector()
    same = dense(9)
    a = same(x)
    return [x], dense(5)(L.Add()([a, same(a)]))


def shared_weights():
    """One Dense, read by two kinds of neurons."""
    (x,) = vector()
    z = L.Dense(6, use_bias=False)(x)
    a, b = ks.SpikingActivation(NEURON)(z), ks.SpikingActivation(SLOW)(z)
    return [x], dense(4)(L.Concatenate()([a, b]))


def late_branches():
    """One branch comes late by itself, then all of it meets one that does not."""
    (x,) = vector()
    a = dense(7)(delay(9, per="neuron")(x))
    b = dense(7, SLOW)(delay(4)(a))
    return [x], dense(5)(delay(3, seed=3)(L.Add()([a, delay(6, seed=2)(b)])))


def late_images():
    """A branch of convolutions is late by 3 steps, the other by 1: relays hold back by 2."""
    (x,) = image()
    one, three = (keras.initializers.Constant(n) for n in (1.0, 3.0))
    a = conv(3)(ks.DelayLayer(delay_initializer=three)(x))
    b = conv(3, neuron=SLOW)(ks.DelayLayer(delay_initializer=one)(x))
    both = L.Add()([a, b])
    return [x], dense(5)(ks.Flatten()(conv(2)(both)))


def late_output():
    """Nothing takes up the delay: relays give the host what it expects."""
    (x,) = image()
    two = keras.initializers.Constant(2.0)
    a = conv(3)(ks.DelayLayer(delay_initializer=two)(x))
    return [x], conv(2)(a)


def late_with_constants():
    """A bias acts from the first step on, whatever comes late."""
    (x,) = image()
    two = keras.initializers.Constant(2.0)
    late = ks.DelayLayer(delay_initializer=two)(x)
    return [x], ks.SpikingActivation(NEURON)(per_step(3, use_bias=True)(late))


def several_inputs_and_outputs():
    x, y = vector(9, 4)
    a = dense(6)(x)
    b = dense(6, SLOW)(L.Concatenate()([a, y]))
    c = dense(3)(L.Add()([a, b]))
    return [x, y], [c, b]


def nested():
    (x,) = image()
    inner = keras.Input((STEPS, 6, 5, 3))
    a = conv(3)(inner)
    block = keras.Model(inner, [L.Add()([inner, a]), a], name="block")
    tail = keras.Sequential([keras.Input((STEPS, 6, 5, 3)), conv(2), ks.Flatten()], name="tail")
    total, last = block(conv(3, neuron=SLOW)(x))
    again, _ = block(total)
    return [x], dense(5)(L.Concatenate()([tail(again), ks.Flatten()(last)]))


def plus():
    (x,) = vector()
    a = dense(9)(x)
    return [x], dense(4)(keras.ops.concatenate([a + x, x], axis=-1))


def residual():
    """Blocks of two layers, shortcuts, a pool half way."""
    (x,) = image(4)
    y = conv(4)(x)
    for i in range(3):
        y = L.Add()([y, conv(4, neuron=SLOW)(conv(4)(y))])
        if i == 1:
            y = L.Concatenate()([ks.SpikingSumPooling2D(2, neuron=FAST)(y)] * 2)
            y = conv(4, strides=1)(y)
    return [x], dense(6)(ks.Flatten()(y))


def biased():
    """Biases of the chip's neurons, of layers of all kinds; one of them takes a late branch."""
    (x,) = image()
    one = keras.initializers.Constant(1.0)
    a = conv(3, use_bias=True)(x)
    b = conv(3, neuron=SLOW, use_bias=True)(ks.DelayLayer(delay_initializer=one)(a))
    flat = ks.Flatten()(L.Add()([a, b]))
    c = ks.SpikingRecurrentDense(8, neuron=NEURON, use_bias=True)(flat)
    return [x], dense(5, use_bias=True)(L.Concatenate()([c, delay(5, per="neuron")(flat)]))


CASES = {
    case.__name__: case
    for case in (
        *(skip_over_two_layers, skip_of_images, joined_vectors, joined_images, joined_rows),
        *(images_above_each_other, padded, sum_of_currents, mean_of_currents, joined_currents),
        *(spikes_added_to_currents, neurons_alone, constant_currents, recurrent, recurrent_images),
        *(shared_layers, shared_weights, late_branches, late_images, late_output),
        *(late_with_constants, several_inputs_and_outputs, nested, plus, residual, biased),
    )
}


def enliven(model, seed=0, mean=0.03):
    """Random weights, multiples of 4/64, that make the network fire."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        shape = variable.shape
        if "kernel" in variable.name:
            spread = 1 / np.sqrt(np.prod(shape[:-1])) + 0.1
            variable.assign(np.rint(rng.normal(mean, spread, shape) * 16) / 16)
        elif variable.name in ("bias", "beta", "moving_mean"):
            variable.assign(np.rint(rng.normal(0, 0.5, shape) * 16) / 16)
        elif variable.name == "gamma":
            variable.assign(np.full(shape, 2.0))
        elif variable.name == "moving_variance":
            variable.assign(np.full(shape, 4.0))
    return model


def model_of(name, seed=0):
    return enliven(functional(CASES[name]), seed)


def functional(case):
    """A model of one input or of several."""
    inputs, outputs = case()
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def spikes_for(model, density=0.15, batch=3, seed=5):
    """Random spikes for each input."""
    rng = np.random.default_rng(seed)
    shapes = [(batch, STEPS, *tensor.shape[2:]) for tensor in model.inputs]
    return [(rng.random(shape) < density).astype(np.float32) for shape in shapes]
