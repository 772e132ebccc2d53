"""``export_saved_model`` and ``export_tflite``: networks for TensorFlow without this package."""

from __future__ import annotations

import inspect
import os
import re
import tempfile

import keras
import tensorflow as tf

from keras_slayer import files, keras_models, watching
from keras_slayer.export.arguments import positive_integer
from keras_slayer.ops import library


def export_saved_model(model: keras.Model, path: str | os.PathLike) -> None:
    """Writes a model as a SavedModel for inference, without gradients.

    The graph holds native ops by name. A process that runs it needs TensorFlow and the op library,
    neither Keras nor this package::

        tf.load_op_library(PATH)  # what keras_slayer.ops.library_path() said
        network = tf.saved_model.load(FOLDER)
        spikes = network.serve(x)

    ``model.export(path)`` writes the same graph, and with it the gradient of every layer: by
    default TensorFlow keeps custom gradients, so that a loaded SavedModel can be trained on. This
    function leaves them out; a gradient through the loaded network is an error.

    Args:
        model: Sequential or functional.
        path: a folder, which is made or replaced as ``model.export`` does. Its endpoint is
            ``serve``, which is the default signature as well.

    Raises:
        ValueError: another kind of model.
    """
    _write(model, path, batch_size=None, steps=None)


def export_tflite(
    model: keras.Model, path: str | os.PathLike, *, batch_size: int = 1, steps: int | None = None
) -> None:
    """Writes a model as a TFLite file, which LiteRT runs on phones and small computers.

    TFLite does not know the native ops. The file holds the reference ops: the same mathematics as
    a loop over time in TFLite's own ops, without a kernel that skips zeros. Spikes are those of
    the reference ops (``KERAS_SLAYER_OPS=reference``); sums in another order can differ in the last
    bit, and a membrane potential that meets the threshold so closely is rare.

    ``LoihiCUBA`` neurons compute in 64-bit integers, which TFLite has no ops for. Such a network
    runs on small computers from a flat file (``write_flat``), in C++ and in the chip's integers.

    Args:
        model: Sequential or functional.
        path: the file to write; it is replaced.
        batch_size: samples of a call; TFLite needs the number.
        steps: time steps of a call, for a model whose input leaves them open; None: the input's.

    Raises:
        ValueError: another kind of model; ``LoihiCUBA`` neurons; ops that TFLite lacks; an open
            number of steps, or one that is not the input's.
    """
    batch_size = positive_integer(batch_size, "batch_size")
    if steps is not None:
        steps = positive_integer(steps, "steps")
    target = files.target_of(path)
    with tempfile.TemporaryDirectory() as folder:
        with library.reference_ops():
            _write(model, folder, batch_size, steps, for_tflite=True)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        # Weights become constants. Else the interpreter would look for variables.
        converter.experimental_enable_resource_variables = False
        try:
            content = converter.convert()
        except BaseException as error:  # the converter's own has no public name
            if type(error).__name__ != "ConverterError":
                raise
            found = re.findall(r"^(?:Custom|TF Select) ops: (.*)$", str(error), flags=re.MULTILINE)
            raise ValueError(
                f"TFLite has no ops for the model: {', '.join(found) or error}. Replace the "
                "layers that need them, or export a SavedModel (export_saved_model), which any "
                f"TensorFlow runs. Received: model={model.name!r}"
            ) from error
    files.write_whole(target, content)


def _write(model, path, batch_size: int | None, steps: int | None, for_tflite=False) -> None:
    signature = _signature(model, batch_size, steps)
    if for_tflite:
        _check_for_tflite(model, signature)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", model.__call__, input_signature=[signature])
    # Older versions of Keras always say where they write.
    silent = "verbose" in inspect.signature(archive.write_out).parameters
    archive.write_out(
        str(path),
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
        **({"verbose": False} if silent else {}),
    )


def _signature(model, batch_size: int | None, steps: int | None):
    """What the model takes, as specifications of tensors."""
    if isinstance(model, keras.Sequential) and model.built:
        inputs = model.inputs[0]
    elif keras_models.is_functional(model):
        inputs = model.input
    else:
        raise ValueError(
            "model must be a Sequential model that is built, or a functional one; "
            f"model.export(path) takes others. Received: a {type(model).__name__}"
        )

    def spec(tensor):
        _, time, *shape = tensor.shape
        if None not in (time, steps) and steps != time:
            raise ValueError(
                f"steps must be None, or {time} as in the model's input: it does not leave them "
                f"open. Received: steps={steps}, an input of shape {tuple(tensor.shape)}"
            )
        return tf.TensorSpec((batch_size, time or steps, *shape), tensor.dtype, name=tensor.name)

    return keras.tree.map_structure(spec, inputs)


def _check_for_tflite(model: keras.Model, signature) -> None:
    on_chip = [layer.name for layer in watching.spiking_layers(model) if layer.on_chip]
    if on_chip:
        raise ValueError(
            "TFLite has no ops for LoihiCUBA neurons, which compute in 64-bit integers. "
            "keras_slayer.export.write_flat writes the exported network for C++, where it runs in "
            "the chip's integers; CUBA neurons convert. "
            f"Received: layers with LoihiCUBA: {', '.join(on_chip)}"
        )
    for spec in keras.tree.flatten(signature):
        if None in spec.shape:
            raise ValueError(
                "TFLite needs all sizes of the input: give `steps`, or keras.Input a shape without "
                f"None. Received: an input of shape {tuple(spec.shape)}"
            )
