"""``TruncatedTime``."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.layers.carry import Carry, carrying
from keras_slayer.layers.spatial import MAX_STEPS
from keras_slayer.stream import steps as acting
from keras_slayer.stream.apply import apply_to


@keras.saving.register_keras_serializable(package="keras_slayer")
class TruncatedTime(keras.Model):
    """Trains a model on long recordings in chunks of time, with the memory of one chunk.

        trained = ks.TruncatedTime(model, steps=100)
        trained.compile("adam", ks.SpikeMaxLoss(), metrics=[ks.SpikeCountAccuracy()])
        trained.fit(recordings, labels)                # (batch, 3000, ...)

    Truncated backpropagation through time: the forward pass carries the state of every layer from
    chunk to chunk, so that it computes what the model computes for the whole recording. The
    gradient of a chunk ends at its first step: it does not see what a spike does to later chunks.
    The loss of a batch is the mean of the losses of its chunks, weighted by their steps; its
    gradients are added up, and the optimiser takes one step per batch. Metrics see the whole
    output.

    In one chunk, where ``steps`` is the length of the recording or more, gradients are those of the
    model itself.

    Args:
        model: as ``Stream`` takes it; shared with this object, not copied.
        steps: length of a chunk. The last one of a recording may be shorter.

    Targets:
        Those with as many axes as the output (spike trains) are cut into the same chunks. Others
        (labels, counts) are the target of every chunk.

    Raises:
        ValueError: a model that cannot be run in chunks.
    """

    def __init__(self, model: keras.Model, steps: int = 100, **kwargs) -> None:
        super().__init__(**kwargs)
        acting.check(model)
        self.model = model
        self.steps = checks.integer(steps, "steps", low=1, high=MAX_STEPS)
        self.built = True

    def call(self, inputs, training: bool | None = None):
        return self.model(inputs, training=training)

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x = tf.convert_to_tensor(x)
        total = tf.shape(x)[1]
        variables = [v.value for v in self.trainable_variables]
        start = self._run(x[:, :0], {}, training=True)[1]

        def chunk(first, states, gradients, loss, outputs):
            last = tf.minimum(first + self.steps, total)
            with tf.GradientTape() as tape:
                output, states = self._run(x[:, first:last], states, training=True)
                target = keras.tree.map_structure(lambda t: _cut(t, first, last, output), y)
                value = self.compute_loss(x, target, output, sample_weight, training=True)
                share = value * tf.cast((last - first) / total, value.dtype)
                scaled = self.optimizer.scale_loss(share)
            found = tape.gradient(scaled, variables, unconnected_gradients="zero")
            gradients = [sum_ + g for sum_, g in zip(gradients, found, strict=True)]
            in_time = tf.transpose(output, [1, 0, *range(2, output.shape.rank)])
            outputs = outputs.write(outputs.size(), in_time)
            return last, states, gradients, loss + share, outputs

        zeros = [tf.zeros_like(v) for v in variables]
        outputs = tf.TensorArray(self.model.outputs[0].dtype, 0, dynamic_size=True, infer_shape=False)
        _, _, gradients, loss, outputs = tf.while_loop(
            lambda first, *_: first < total,
            chunk,
            (0, start, zeros, tf.zeros([], keras.config.floatx()), outputs),
            shape_invariants=(
                tf.TensorShape([]),
                {name: tf.TensorShape([None, None, *s.shape[2:]]) for name, s in start.items()},
                [v.shape for v in variables],
                tf.TensorShape([]),
                tf.TensorShape(None),
            ),
            parallel_iterations=1,
        )
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        output = tf.transpose(outputs.concat(), [1, 0, *range(2, len(self.model.outputs[0].shape))])
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(x)[0])
        return self.compute_metrics(x, y, output, sample_weight=sample_weight)

    def _run(self, chunk, states, training: bool):
        with carrying(Carry(states)) as carry:
            return apply_to(self.model, chunk, training=training), carry.after

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "steps": self.steps,
        }

    @classmethod
    def from_config(cls, config: dict):
        model = keras.saving.deserialize_keras_object(config.pop("model"))
        return cls(model, **config)


def _cut(target, first, last, output):
    """The part of a target that has a time axis; else the target."""
    target = tf.convert_to_tensor(target)
    return target[:, first:last] if target.shape.rank == output.shape.rank else target
