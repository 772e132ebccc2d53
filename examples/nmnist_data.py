"""The recordings of nmnist.py, beside this module, and what changes them during training."""

from keras_slayer.events import spike_pipeline, transforms

DURATION = 300.0  # ms of each recording that the network sees
SENSOR = (34, 34, 2)


def load_data(arguments, split=("train", "test")):
    """(name, training set, test set) of (events, label)."""
    import tensorflow_datasets as tfds

    from keras_slayer import datasets

    tfds.disable_progress_bar()
    source = arguments.data
    if source == "auto":
        prepared = "nmnist" in tfds.list_builders() and tfds.builder("nmnist").data_path.exists()
        source = "nmnist" if arguments.data_dir or prepared else "saccade_mnist"
    if source == "nmnist":
        return ("N-MNIST", *datasets.load_nmnist(arguments.data_dir, split=split))
    print("Simulated event-camera digits (saccade_mnist); --data-dir takes N-MNIST.")
    return ("saccade_mnist/small", *datasets.load_saccade_mnist(config="small", split=split))


def binning(recipe):
    dt = recipe["dt"]
    return {"sensor_shape": SENSOR, "steps": int(DURATION / dt), "dt": dt}


def training_pipeline(events, arguments, recipe):
    """Batches of the recordings, in another order and changed in another way in each epoch."""
    change = transforms.Affine(arguments.rotate, arguments.zoom, recipe["stretch"], recipe["shear"])
    return spike_pipeline(
        events,
        batch_size=arguments.batch_size,
        shuffle=True,
        transforms=[change],
        shift=arguments.shift,
        seed=arguments.seed,
        **binning(recipe),
    )
