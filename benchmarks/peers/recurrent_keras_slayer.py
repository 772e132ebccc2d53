"""keras_slayer's SpikingRecurrentDense. Variants: names of neurons."""

import common
import keras
import tensorflow as tf
from peers import protocol, recurrent_work
from peers.recurrent_work import CLASSES, INPUTS, LEARNING_RATE, TAU, UNITS

import keras_slayer as ks

NEURONS = {
    "alif": lambda: ks.ALIF(threshold=1.0, tau_membrane=TAU),
    "cuba": lambda: ks.CUBA(threshold=1.0, current_decay=0.2, voltage_decay=0.1),
    "srm": lambda: ks.SRM(threshold=1.0, tau_response=TAU),
    "rf": lambda: ks.ResonateAndFire(threshold=1.0, tau=2 * TAU),
    "loihi": lambda: ks.LoihiCUBA(64, 800, 400),
}


def count_loss(y, spikes):
    logits = protocol.LOSS_SCALE * tf.reduce_sum(spikes, axis=1)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y, tf.int32), logits)


def prepare(settings):
    common.set_threads(settings.threads)
    keras.utils.set_random_seed(1)
    neuron = NEURONS[settings.variant]()
    kernel, threshold = neuron.response_kernel(), neuron.firing_threshold
    fed = [
        keras.initializers.RandomNormal(0, deviation)
        for deviation in recurrent_work.deviations(kernel, settings.density, threshold)
    ]
    inputs = keras.Input((settings.steps, INPUTS), batch_size=settings.batch)
    hidden = ks.SpikingRecurrentDense(
        UNITS, neuron, kernel_initializer=fed[0], recurrent_initializer=fed[1]
    )(inputs)
    outputs = ks.SpikingDense(CLASSES, neuron, kernel_initializer=fed[2])(hidden)
    model, probe = keras.Model(inputs, outputs), keras.Model(inputs, [hidden, outputs])
    model.compile(keras.optimizers.Adam(LEARNING_RATE), count_loss)
    x, y = map(tf.constant, recurrent_work.events(settings))
    losses = []

    def step():
        losses.append(float(model.train_on_batch(x, y)))

    def facts():
        rates = [float(tf.reduce_mean(spikes)) for spikes in probe(x)]
        weights = sum(int(tf.size(weight)) for weight in model.trainable_weights)
        return {"losses": losses, "rates": rates, "weights": weights}

    return protocol.Work(step, facts, ("keras_slayer", "keras", "tensorflow"))


if __name__ == "__main__":
    keras.utils.disable_interactive_logging()
    protocol.serve(prepare, tuple(NEURONS))
