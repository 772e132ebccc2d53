"""What the pages of data sets say beside the builders' own facts: code, files, and where to go on.

The code runs in tests/datasets/test_dataset_pages.py, on recordings made for the tests.
"""

from typing import NamedTuple


class Part(NamedTuple):
    """Of the page of one data set.

    Attributes:
        frame: arguments of ``spike_pipeline``, in lines.
        shape: of the spikes that it gives, after the batch axis.
        load: how the data set is loaded, after ``datasets.``.
        about: a sentence on the frame, above the code.
        files: what the archives hold; None for what is generated.
        next: Markdown links, each with what it is.
    """

    frame: tuple[str, ...]
    shape: tuple[int, ...]
    load: str
    about: str
    files: str | None
    next: tuple[str, ...]


PARTS = {
    "nmnist": Part(
        ("sensor_shape=(34, 34, 2)", "steps=300", "dt=1.0", "batch_size=12", "shift=2"),
        (300, 34, 34, 2),
        'train, test = datasets.load_nmnist("folder")',
        "300 steps of 1 ms, each recording moved by up to 2 pixels:",
        "`Train.zip`, `Test.zip` with `Train/5/00001.bin` ...: 5 bytes for each event",
        (
            "[the demo](../../examples/nmnist.py) trains on it, exports and draws",
            "[accuracies](../results.md#n-mnist)",
            "[trained networks](../papers.md#trained-networks): `nmnist_cnn`, `nmnist_cnn_loihi`, "
            "`nmnist_dense`",
            "[the full set in one command](../papers.md#training-on-the-full-sets)",
        ),
    ),
    "n_caltech101": Part(
        ("sensor_shape=(45, 60, 2)", 'fit="scale"', "steps=60", "dt=5.0", "batch_size=8"),
        (60, 45, 60, 2),
        'train, test = datasets.load_n_caltech101("folder")',
        "Recordings differ in size: `fit` scales them to one frame, here a fourth of the sensor's "
        "sides.",
        "`Caltech101.zip` with `Caltech101/accordion/image_0001.bin` ...: 5 bytes for each event",
        ("[an example](../../examples/n_caltech101.py) that trains on some or all classes",),
    ),
    "dvs_gesture": Part(
        ("sensor_shape=(128, 128, 2)", "steps=300", "dt=5.0", 'late="ignore"', "batch_size=2"),
        (300, 128, 128, 2),
        'train, test = datasets.load_dvs_gesture("folder")',
        'The first 1.5 s of each trial; `late="ignore"` cuts the rest without a warning.',
        "`DvsGesture.tar.gz` with `user01_fluorescent.aedat` ... (AEDAT 3.1) and its labels in "
        "`user01_fluorescent_labels.csv` ...",
        (
            "[the published network](../../examples/dvs_gesture.py), on "
            "[synthetic gestures](synthetic_gestures.md) as long as this set is not there",
            "[the full set in one command](../papers.md#training-on-the-full-sets)",
            "[the network on Loihi](../papers.md#gestures-on-loihi)",
        ),
    ),
    "cifar10_dvs": Part(
        ("sensor_shape=(64, 64, 2)", 'fit="scale"', "source_shape=(128, 128)", "steps=100",
         "dt=13.0", "batch_size=8"),
        (100, 64, 64, 2),
        'train, test = datasets.load_cifar10_dvs("folder")',
        "100 steps of 13 ms on half the sensor's sides:",
        "`airplane.zip` ... `truck.zip` with `airplane/cifar10_airplane_0.aedat` ...: AEDAT 2.0",
        ("[your own events of pictures](../simulation.md), with `saccades_of(\"cifar10\")`",),
    ),
    "n_cars": Part(
        ("sensor_shape=(50, 60, 2)", 'fit="scale"', "steps=100", "dt=1.0", "batch_size=32"),
        (100, 50, 60, 2),
        'train, test = datasets.load_n_cars("folder")',
        "Recordings differ in size: `fit` scales them to one frame.",
        "`n-cars_train.zip`, `n-cars_test.zip` with `cars/obj_000001_td.dat` ...: DAT",
        ("[transforms](../transforms.md) that change recordings anew in each epoch",),
    ),
    "asl_dvs": Part(
        ("sensor_shape=(90, 120, 2)", 'fit="scale"', "source_shape=(180, 240)", "steps=100",
         "dt=1.0", "batch_size=8"),
        (100, 90, 120, 2),
        'train, test = datasets.load_asl_dvs("folder")',
        "100 steps of 1 ms on half the sensor's sides:",
        "`Yin Bi - a.zip` ... with `a/a_0001.mat` ...: MAT files of level 5, columns ts, x, y, pol",
        ("[transforms](../transforms.md) that change recordings anew in each epoch",),
    ),
    "dvs_lip": Part(
        ("transforms=[transforms.CenterCrop((96, 96))]", "source_shape=(128, 128, 2)",
            "sensor_shape=(96, 96, 2)", "steps=100",
         "dt=12.0", "batch_size=8"),
        (100, 96, 96, 2),
        'train, test = datasets.load_dvs_lip("folder")',
        "The middle of each recording, as the authors cut it out:",
        "`DVS-Lip.zip` with `train/accused/0.npy` ...: structured arrays t, x, y, p",
        ("[time and delays](../time.md): what a network can remember of a word",),
    ),
    "shd": Part(
        ("sensor_shape=(700,)", "steps=140", "dt=10.0", "batch_size=32"),
        (140, 700),
        'train, test = datasets.load_shd("folder")',
        "140 steps of 10 ms. There is no image: the channels are one axis.",
        "`shd_train.h5`, `shd_test.h5`: HDF5, a vector of times and one of channels per recording",
        (
            "[speech](../speech.md): a network with delays for it",
            "[the full set in one command](../papers.md#training-on-the-full-sets)",
            "[synthetic words](synthetic_words.md), as long as this set is not there",
        ),
    ),
    "ssc": Part(
        ("sensor_shape=(700,)", "steps=100", "dt=10.0", "batch_size=32"),
        (100, 700),
        'train, validation, test = datasets.load_ssc("folder")',
        "100 steps of 10 ms. There is no image: the channels are one axis.",
        "`ssc_train.h5`, `ssc_valid.h5`, `ssc_test.h5`: HDF5, as [SHD](shd.md)",
        (
            "[speech](../speech.md): a network with delays for it",
            "[synthetic words](synthetic_words.md), as long as this set is not there",
        ),
    ),
    "saccade_mnist": Part(
        ("sensor_shape=(34, 34, 2)", "steps=100", "dt=3.0", "batch_size=8", "shift=2"),
        (100, 34, 34, 2),
        'train, test = datasets.load_saccade_mnist(config="small")',
        "100 steps of 3 ms, each recording moved by up to 2 pixels:",
        None,
        (
            "[your first network](../notebooks/first_network.md) trains on it",
            "[events of your own pictures](../simulation.md): `events.saccades`, "
            "`datasets.saccades_of`",
        ),
    ),
    "synthetic_gestures": Part(
        ("sensor_shape=(32, 32, 2)", 'fit="scale"', "source_shape=(128, 128)", "steps=300",
         "dt=5.0", "batch_size=8"),
        (300, 32, 32, 2),
        'train, test = datasets.load_synthetic_gestures(config="small")',
        "300 steps of 5 ms on a fourth of the sensor's sides:",
        None,
        (
            "[the published network for gestures](../../examples/dvs_gesture.py) trains on it",
            "[trained networks](../papers.md#trained-networks): `gestures`",
        ),
    ),
    "synthetic_words": Part(
        ("sensor_shape=(128,)", "steps=70", "dt=10.0", "batch_size=32"),
        (70, 128),
        'train, test = datasets.load_synthetic_words(config="small")',
        "70 steps of 10 ms. There is no image: the channels are one axis.",
        None,
        (
            "[a network with delays](../../examples/keywords.py) trains on it",
            "[speech](../speech.md), and [the notebook](../notebooks/keywords.md)",
            "[trained networks](../papers.md#trained-networks): `keywords_delays`",
        ),
    ),
}  # fmt: skip


def code(name: str) -> str:
    """The example of a page."""
    part = PARTS[name]
    with_transforms = part.frame[0].startswith("transforms")
    lines = "".join(f"    {argument},\n" for argument in part.frame)
    return (
        "from keras_slayer import datasets\n"
        f"from keras_slayer.events import spike_pipeline{', transforms' * with_transforms}\n\n"
        f"{part.load}\n"
        f"batches = spike_pipeline(\n    train,\n{lines}    shuffle=True,\n    seed=1,\n)\n"
        "spikes, labels = next(iter(batches))\n"
        f"assert spikes.shape[1:] == {part.shape}\n"
    )
