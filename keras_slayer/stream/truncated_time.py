"""``TruncatedTime``."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.layers.carry import Carry, carrying
from keras_slayer.layers.spatial import MAX_STEPS
from keras_slayer.stream.apply import apply_to, as_input
from keras_slayer.stream.chunks import (
    collect,
    cut,
    empty,
    joined,
    keep,
    over_chunks,
    over_chunks_backwards,
    read,
)
from keras_slayer.stream.steps import check


@keras.saving.register_keras_serializable(package="keras_slayer")
class TruncatedTime(keras.Model):
    """Trains a model on long recordings in chunks of time, in the memory that one chunk takes.

        trained = ks.TruncatedTime(model, steps=100)
        trained.compile("adam", ks.SpikeMaxLoss(), metrics=[ks.SpikeCountAccuracy()])
        trained.fit(recordings, labels)                # (batch, 3000, ...)
        model.save("model.keras")                      # the weights are those of the model

    Truncated backpropagation through time (Williams & Peng, "An efficient gradient-based algorithm
    for on-line training of recurrent network trajectories", Neural Computation 1990). The states of
    the layers go on from chunk to chunk, so that the output is what the model gives for the whole
    recording. Gradients end where a chunk begins: a weight does not learn what a spike did to a
    later chunk. In one chunk, where ``steps`` is the length of the recording or more, gradients
    are those of the model itself.

    With ``update_per="batch"``, the loss is that of the whole output, as in plain training: counts
    are counts of the recording. One pass finds the output and the gradient of the loss for it, a
    second one goes through the chunks again and adds up the gradients of the weights. The optimiser
    takes one step per batch. It takes about two thirds longer than plain training.

    With ``truncate=False``, the gradient does not end: the second pass goes from the last chunk to
    the first, and what the backward pass of each layer ends with goes on in the chunk before. The
    gradients are those of plain training, but for the order in which chunks are added up. It keeps
    the layers' states before each chunk as well.

    With ``update_per="chunk"``, each chunk has a loss of its own, and the optimiser takes a step
    after each: more steps per recording, with weights that change while the state goes on. Counts
    and regions of a loss are then those of a chunk, and so is the default ``scale`` of
    ``SpikeMaxLoss``. A shorter last chunk weighs less. ``loss`` in the logs is the mean over
    chunks, weighted by their steps.

    Metrics see the whole output in both. ``evaluate`` and ``predict`` run in chunks as well, and
    give what a ``Stream`` gives, whatever ``steps`` is. Batch normalisation takes the statistics of
    each chunk in training; its moving averages are updated once per chunk.

    Args:
        model: as ``Stream`` takes it; it is shared with this object, not copied.
        steps: time steps of a chunk. The last one of a recording may be shorter. Longer than the
            neurons' time constants and the delays, so that little is cut off.
        update_per: "batch" or "chunk".
        truncate: whether gradients end where a chunk begins. False only with
            ``update_per="batch"``; neurons of your own, and those with ``kernel_cutoff``, are then
            differentiated step by step within a chunk.
        name, **kwargs: as in ``keras.Model``.

    Inputs:
        Recordings (batch, time, ...), of any length.

    Targets:
        With ``update_per="chunk"``, targets with as many axes as the output (spike trains) are cut
        into chunks like it, and so are sample weights (batch, time). All others (labels, counts)
        are the target of every chunk.

    Raises:
        ValueError: an argument out of range, or a model that ``Stream`` does not take.
    """

    def __init__(
        self,
        model: keras.Model,
        steps: int = 100,
        update_per: str = "batch",
        truncate: bool = True,
        **kwargs,
    ) -> None:
        # Keras would cast the states, too.
        super().__init__(autocast=False, **kwargs)
        check(model, "TruncatedTime")
        self.model = model
        self.steps = checks.integer(steps, "steps", low=1, high=MAX_STEPS)
        if update_per not in ("batch", "chunk"):
            raise ValueError(
                f"update_per must be 'batch' or 'chunk'. Received: update_per={update_per!r}"
            )
        if not truncate and update_per == "chunk":
            raise ValueError(
                "truncate=False needs update_per='batch': with 'chunk' the weights change from one "
                "chunk to the next. Received: update_per='chunk', truncate=False"
            )
        self.update_per = update_per
        self.truncate = bool(truncate)
        self.supports_jit = False
        self.built = True

    def call(self, inputs, states=None, training: bool | None = None, later=None, ports=None):
        """The output for whole recordings; with ``states``, (output, states after, later) of one
        chunk.

        Args:
            inputs: (batch, time, ...).
            states: by the names of the layers, as ``Stream.state`` has them; {}: at rest.
            later, ports: as for ``Carry``.
        """
        if states is not None:
            with carrying(Carry(states, later, ports)) as carry:
                return apply_to(self.model, inputs), carry.after, carry.later
        inputs = as_input(self.model, inputs)
        if tf.executing_eagerly():
            # In one piece, for callbacks that watch the layers at work. The output is the same.
            return self.call(inputs, {}, training)[0]
        outputs, others, added, _ = self._forward(inputs, self._at_rest(inputs), training)
        if training:
            self._assign(others)
        self.add_loss(added)
        return outputs

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if self.update_per == "chunk" and self._replicas() > 1:
            raise ValueError(
                "update_per='chunk' trains on one device; use update_per='batch' with "
                f"tf.distribute. Received: a strategy with {self._replicas()} replicas"
            )
        if not self.trainable_variables:
            raise ValueError(
                f"the model has no weights to train. Received: model={self.model.name!r}"
            )
        train = self._train_on_batch if self.update_per == "batch" else self._train_on_chunks
        outputs, loss = train(as_input(self.model, x), y, sample_weight)
        tracker = next(metric for metric in self.metrics if metric.name == "loss")
        tracker.update_state(loss * self._replicas(), sample_weight=tf.shape(x)[0])
        return self.compute_metrics(x, y, outputs, sample_weight=sample_weight)

    def _train_on_batch(self, x, y, sample_weight):
        """(outputs, loss), after one step of the optimiser."""
        rest = self._at_rest(x)
        _, states, others, later = rest
        keeps = not self.truncate
        outputs, after, added, kept = self._forward(x, rest, training=True, keeps=keeps)
        weights = [v.value for v in self.trainable_variables]
        flat = keras.tree.flatten(outputs)
        with tf.GradientTape() as tape:
            tape.watch(flat)
            loss = self.compute_loss(x, y, outputs, sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        # Of the weights: what their regularisers add.
        found = tape.gradient(scaled, flat + weights, unconnected_gradients="zero")
        signals, gradients = found[: len(flat)], found[len(flat) :]

        def gradients_of(first, last, states, others, later):
            """What a chunk adds to the gradients, and what it leaves for the next one and the one
            before."""
            ports = tf.nest.map_structure(tf.zeros_like, later)
            with tf.GradientTape() as tape:
                tape.watch(tf.nest.flatten(ports))
                outputs, states, others, added, _ = self._chunk(
                    x[:, first:last], states, others, True, later, ports
                )
                added = self.optimizer.scale_loss(added / self._replicas())
            of_weights, later = tape.gradient(
                [*keras.tree.flatten(outputs), added],
                [weights, ports],
                output_gradients=[*(signal[:, first:last] for signal in signals), tf.ones([])],
                unconnected_gradients="zero",
            )
            return of_weights, states, others, later

        def forwards(first, last, states, others, gradients):
            found, states, others, _ = gradients_of(first, last, states, others, {})
            return states, others, _sums(gradients, found)

        def backwards(i, first, last, later, gradients):
            before = read(kept, i, states, others)
            found, _, _, later = gradients_of(first, last, *before, later)
            return later, _sums(gradients, found)

        if self.truncate:
            _, gradients = over_chunks(forwards, x, self.steps, states, others, gradients)
        else:
            (gradients,) = over_chunks_backwards(backwards, x, self.steps, later, gradients)
        self._assign(after)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return outputs, loss + added / self._replicas()

    def _train_on_chunks(self, x, y, sample_weight):
        """(outputs, mean loss of the chunks), after a step of the optimiser for each."""
        variables = self.trainable_variables
        if not self.optimizer.built:
            self.optimizer.build(variables)  # not within a loop
        total = tf.shape(x)[1]
        full = tf.minimum(self.steps, total)  # steps of a whole chunk
        axes = min(len(output.shape) for output in self.model.outputs)

        def chunk(first, last, states, others, loss, collected):
            def share_of(whole):
                return tf.cast(last - first, loss.dtype) / tf.cast(whole, loss.dtype)

            target, weight = cut(y, first, last, axes), cut(sample_weight, first, last, axes=2)
            with tf.GradientTape() as tape:
                outputs, states, others, added, _ = self._chunk(
                    x[:, first:last], states, others, True, {}
                )
                value = self.compute_loss(x[:, first:last], target, outputs, weight, training=True)
                value = tf.cast(value + added / self._replicas(), loss.dtype)
                scaled = self.optimizer.scale_loss(value * share_of(full))
            gradients = tape.gradient(scaled, [v.value for v in variables])
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return states, others, loss + value * share_of(total), collect(collected, outputs)

        like, states, others, _ = self._at_rest(x)
        none = collect(empty(like), like)
        carried = others, tf.zeros([], keras.config.floatx()), none
        others, loss, collected = over_chunks(chunk, x, self.steps, states, *carried)
        self._assign(others)
        return joined(collected, like, x), loss

    def _forward(self, x, rest, training, keeps=False):
        """(outputs, the values that other variables than weights would have afterwards, losses that
        layers add, states and those values before each chunk if it keeps them), in chunks."""
        like, states, others, later = rest
        kept = empty((states, others)) if keeps else []

        def chunk(first, last, states, others, added, collected, kept):
            kept = keep(kept, (states, others)) if keeps else kept
            outputs, states, others, more, _ = self._chunk(
                x[:, first:last], states, others, training, later
            )
            return states, others, added + more, collect(collected, outputs), kept

        none = collect(empty(like), like)  # of no steps, if there are no more
        carried = others, tf.zeros([], keras.config.floatx()), none, kept
        others, added, collected, kept = over_chunks(chunk, x, self.steps, states, *carried)
        return joined(collected, like, x), others, added, kept

    def _chunk(self, x, states, others, training, later, ports=None):
        """(outputs, states, others, losses that layers add, later) of a chunk. No variable changes:
        what the pass for the gradients does must be what the pass for the loss did, dropout
        included."""
        link = {} if self.truncate else {"later": later, "ports": ports}
        mapping = zip(self._other_variables(), others, strict=True)
        with keras.StatelessScope(list(mapping), collect_losses=True) as scope:
            outputs, states, later = self(x, states=states, training=training, **link)
        others = [scope.get_current_value(v) for v in self._other_variables()]
        added = tf.add_n([tf.zeros([], keras.config.floatx()), *map(tf.reduce_sum, scope.losses)])
        return outputs, states, others, added, later

    def _at_rest(self, x):
        """(outputs, states and other values before the first step, what follows the last one)."""
        others = self._others()
        outputs, states, *_, later = self._chunk(x[:, :0], {}, others, False, {})
        return outputs, states, others, later

    def _other_variables(self):
        """Random seeds, moving averages, and weights that are not trained."""
        return self.model.non_trainable_variables

    def _others(self):
        return [tf.convert_to_tensor(v.value) for v in self._other_variables()]

    def _assign(self, others):
        for variable, value in zip(self._other_variables(), others, strict=True):
            variable.assign(value)

    @staticmethod
    def _replicas() -> int:
        """Of ``tf.distribute``: Keras divides losses by their number."""
        return tf.distribute.get_strategy().num_replicas_in_sync

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "steps": self.steps,
            "update_per": self.update_per,
            "truncate": self.truncate,
        }

    @classmethod
    def from_config(cls, config: dict):
        return cls(keras.saving.deserialize_keras_object(config.pop("model")), **config)


def _sums(gradients, found) -> list:
    return [a + b for a, b in zip(gradients, found, strict=True)]
