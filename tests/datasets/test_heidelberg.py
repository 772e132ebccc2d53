"""The tfds builders of SHD and SSC, on small HDF5 files of the published format."""

import gzip
import hashlib
import shutil
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_slayer.datasets
from keras_slayer.datasets import heidelberg
from keras_slayer.datasets.shd import shd_dataset_builder as shd
from keras_slayer.datasets.ssc import ssc_dataset_builder as ssc
from keras_slayer.events import Events, spike_pipeline

DIGITS = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
]
COMMANDS = [f"word{number}" for number in range(35)]


def write(path, recordings, classes=DIGITS, *, dtype=np.float16, leave_out="", **replaced):
    """A file of the published layout; recordings are (times in s, units, label, speaker)."""
    times, units, labels, speakers = zip(*recordings, strict=True)
    count = len(recordings)
    with h5py.File(path, "w") as file:
        for name, values, of in (("times", times, dtype), ("units", units, np.uint16)):
            vectors = file.create_dataset(f"spikes/{name}", (count,), h5py.vlen_dtype(of))
            for index, vector in enumerate(values):
                vectors[index] = np.asarray(vector, of)
        arrays = {
            "labels": np.array(labels, np.uint16),
            "extra/speaker": np.array(speakers, np.uint16),
            "extra/keys": [name.encode() for name in classes],
        } | {name.replace("__", "/"): value for name, value in replaced.items()}
        for name, values in arrays.items():
            if name != leave_out:
                file[name] = values
        if leave_out and leave_out in file:
            del file[leave_out]


def random_recordings(count, classes=20, seed=0):
    rng = np.random.default_rng(seed)
    recordings = []
    for number in range(count):
        spikes = 20 + number
        times = np.sort(rng.uniform(0, 1.3, spikes)).astype(np.float16)
        label, speaker = number * 7 % classes, number % 12
        recordings.append((times, rng.integers(0, 700, spikes), label, speaker))
    return recordings


TRAIN, TEST = random_recordings(5), random_recordings(3, seed=1)


def write_shd(folder, train=TRAIN, test=TEST, **options):
    folder.mkdir(exist_ok=True)
    write(folder / "shd_train.h5", train, **options)
    write(folder / "shd_test.h5", test)
    return folder


@pytest.fixture
def files(tmp_path):
    return write_shd(tmp_path / "files")


def pack(path, form):
    if form == ".gz":
        with gzip.open(f"{path}.gz", "wb") as file:
            file.write(path.read_bytes())
    elif form == ".zip":
        with zipfile.ZipFile(f"{path}.zip", "w", zipfile.ZIP_DEFLATED) as file:
            file.write(path, path.name)
    if form:
        path.unlink()


def assert_recordings(dataset, recordings):
    found = sorted(
        (int(label), Events.from_dict(events).t.tolist(), events["x"].tolist())
        for events, label in tfds.as_numpy(dataset)
    )
    expected = sorted(
        (label, [round(float(t) * 1e6) for t in times], list(units))
        for times, units, label, _ in recordings
    )
    assert found == expected


@pytest.mark.parametrize("form", ["", ".gz", ".zip"])
def test_shd_is_read_in_each_published_form(form, files, tmp_path, no_network):
    for name in ("shd_train.h5", "shd_test.h5"):
        pack(files / name, form)
    train, test = keras_slayer.datasets.load_shd(files, data_dir=tmp_path)
    assert_recordings(train, TRAIN)
    assert_recordings(test, TEST)
    dtypes = {name: spec.dtype.name for name, spec in train.element_spec[0].items()}
    assert dtypes == {"x": "uint16", "t": "int32"}
    downloads = list(tmp_path.rglob("downloads"))
    assert downloads and not [p for p in downloads[0].rglob("*") if p.is_file()]  # all cleaned up


def test_names_of_classes_and_speakers_are_those_of_the_file(files, prepare_by_hand):
    builder = prepare_by_hand("shd", files)
    assert builder.info.features["label"].names == DIGITS
    read_again = tfds.builder("shd", data_dir=builder.data_path.parents[1])
    assert read_again.info.features["label"].int2str(15) == "fünf"
    speakers = {int(e["speaker"]) for e in tfds.as_numpy(builder.as_dataset(split="train"))}
    assert speakers == {0, 1, 2, 3, 4}
    assert "CC BY 4.0" in builder.info.description and "cramer2022" in builder.info.citation
    assert "ml.task.audio-classification" in type(builder).get_metadata().tags


def test_ssc_has_a_validation_split(tmp_path, no_network):
    parts = {
        name: random_recordings(4 + seed, 35, seed=seed)
        for seed, name in enumerate(("train", "valid", "test"))
    }
    for name, recordings in parts.items():
        write(tmp_path / f"ssc_{name}.h5", recordings, COMMANDS, leave_out="extra/speaker")
    splits = keras_slayer.datasets.load_ssc(tmp_path, data_dir=tmp_path / "prepared")
    for split, recordings in zip(splits, parts.values(), strict=True):
        assert_recordings(split, recordings)
    with pytest.raises(FileNotFoundError, match=r"lacks ssc_valid\.h5\.\nDownload\nhttps"):
        (tmp_path / "ssc_valid.h5").unlink()
        keras_slayer.datasets.load_ssc(tmp_path, data_dir=tmp_path)


def test_pipeline_gives_time_and_channels(files, tmp_path):
    train = keras_slayer.datasets.load_shd(files, split="train", data_dir=tmp_path)
    ((spikes, labels),) = spike_pipeline(
        train, sensor_shape=(700,), steps=140, dt=10.0, batch_size=5
    )
    assert spikes.shape == (5, 140, 700)
    for label, (times, units, *_) in zip((0, 7, 14, 1, 8), TRAIN, strict=True):
        row = labels.numpy().tolist().index(label)
        expected = {
            (round(float(t) * 1e6) // 10_000, unit) for t, unit in zip(times, units, strict=True)
        }
        assert set(zip(*np.nonzero(spikes[row].numpy()), strict=True)) == expected


def test_spikes_are_put_in_order_and_silence_is_kept(tmp_path, prepare_by_hand):
    recordings = [([0.5, 0.25, 0.5], [7, 8, 9], 0, 0), ([], [], 3, 1)]
    files = write_shd(tmp_path / "files", recordings, dtype=np.float32)
    data = prepare_by_hand("shd", files).as_dataset(split="train", as_supervised=True)
    found = {int(label): events for events, label in tfds.as_numpy(data)}
    assert found[0]["t"].tolist() == [250_000, 500_000, 500_000]
    assert found[0]["x"].tolist() == [8, 7, 9]
    assert found[3]["t"].size == 0


GOOD = ([0.1], [1], 0, 0)


@pytest.mark.parametrize(
    ("train", "options", "message"),
    [
        ([GOOD, ([0.1], [700], 0, 0)], {}, r"shd_train\.h5, recording 1: units .*700 of spike 0"),
        ([([0.1, -1], [1, 2], 0, 0)], {}, r"recording 0: times must be 0 to 2147 s.*-1\.0 s of sp"),
        ([([np.nan], [1], 0, 0)], {}, r"recording 0: times must be .* Received: nan s of spike 0"),
        ([([0.1], [1, 2], 0, 0)], {}, r"recording 0: there .* Received: 1 times, 2 units"),
        ([([0.1], [1], 20, 0)], {}, r"recording 0: the label must be 0 to 19\. Received: 20"),
        ([GOOD], {"classes": ["a", "b"]}, r"extra/keys must name 20 classes.*\['a', 'b'\]"),
        ([GOOD], {"classes": ["a"] * 20}, r"extra/keys must name 20 classes, each once"),
        ([GOOD], {"leave_out": "extra/speaker"}, r"must have the data set extra/speaker"),
        ([GOOD], {"leave_out": "spikes/units"}, r"must have the data set spikes/units"),
        ([GOOD], {"labels": np.zeros(2)}, r"one entry per recording\. Received: .*'labels': 2"),
        ([GOOD], {"classes": [*DIGITS[:19], "x"]}, r"must be those of the other files.*'zero'"),
    ],
)
def test_wrong_files(train, options, message, tmp_path, prepare_by_hand):
    files = write_shd(tmp_path / "files", train, **options)
    with pytest.raises(ValueError, match=message):
        prepare_by_hand("shd", files)


@pytest.mark.parametrize("form", ["", ".gz", ".zip"])
def test_damaged_files_are_named(form, files, prepare_by_hand):
    path = files / "shd_train.h5"
    pack(path, form)
    path = files / f"shd_train.h5{form}"
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(ValueError, match=rf"shd_train\.h5{form}(:| is) damaged"):
        prepare_by_hand("shd", files)


def test_a_zip_without_the_file_is_named(files, prepare_by_hand):
    (files / "shd_train.h5").rename(files / "other.h5")
    pack(files / "other.h5", ".zip")
    (files / "other.h5.zip").rename(files / "shd_train.h5.zip")
    with pytest.raises(ValueError, match=r"shd_train\.h5\.zip should hold one shd_train\.h5.*0 of"):
        prepare_by_hand("shd", files)


def test_one_file_for_training_and_testing_is_refused(files, prepare_by_hand):
    shutil.copy(files / "shd_train.h5", files / "shd_test.h5")
    with pytest.raises(ValueError, match=r"shd_train\.h5 and .*shd_test\.h5 are the same file"):
        prepare_by_hand("shd", files)


def test_files_of_one_size_are_never_mixed(tmp_path):
    """Their fingerprint is of the contents: HDF5 files of one layout have one size."""
    load = keras_slayer.datasets.load_shd
    for number, label in enumerate((3, 5)):
        files = write_shd(tmp_path / f"files{number}", [([0.1], [1], label, 0)])
        ((_, found),) = tfds.as_numpy(load(files, split="train", data_dir=tmp_path))
        assert found == label
    assert len(list((tmp_path / "shd_archives").iterdir())) == 2


@pytest.mark.parametrize("module", [shd, ssc])
def test_nothing_there_says_what_to_fetch(module, tmp_path, monkeypatch, prepare_by_hand):
    asked = []

    def download(self, url):
        asked.append(url)
        raise OSError("no route to host")

    monkeypatch.setattr(tfds.download.DownloadManager, "download", download)
    name = module.Builder.name
    (tmp_path / "empty").mkdir()
    for prepare in (
        lambda: prepare_by_hand(name),
        lambda: getattr(keras_slayer.datasets, f"load_{name}")(tmp_path / "empty"),
    ):
        with pytest.raises(FileNotFoundError) as error:
            prepare()
        for file, md5 in module.Builder.MD5.items():
            assert f"https://zenkelab.org/datasets/{file}.zip (md5 {md5})" in str(error.value)
    assert asked == [f"https://zenkelab.org/datasets/{name}_train.h5.zip"]


def test_the_download_is_compared_with_its_md5(files, monkeypatch, prepare_by_hand):
    for name in ("shd_train.h5", "shd_test.h5"):
        pack(files / name, ".zip")
    monkeypatch.setattr(
        tfds.download.DownloadManager, "download", lambda self, url: files / url.split("/")[-1]
    )
    with pytest.raises(ValueError, match=r"shd_train\.h5\.zip, from https.*must have the md5 f32"):
        prepare_by_hand("shd")
    md5 = {name: hashlib.md5((files / f"{name}.zip").read_bytes()).hexdigest() for name in shd._MD5}
    monkeypatch.setattr(shd.Builder, "MD5", md5)
    builder = prepare_by_hand("shd")
    assert builder.info.splits["train"].num_examples == 5


def test_the_files_have_the_published_sensor():
    assert heidelberg.CHANNELS == 700
    assert (shd.Builder.CLASSES, ssc.Builder.CLASSES) == (20, 35)
