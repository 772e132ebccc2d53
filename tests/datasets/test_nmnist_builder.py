"""The tfds builder of N-MNIST: dummy archives of 5 + 3 recordings, and the real sample."""

import io
import pathlib
import random
import shutil
import warnings
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_slayer.datasets
from keras_slayer.datasets import sources
from keras_slayer.datasets.nmnist import nmnist_dataset_builder as nmnist
from keras_slayer.events import Events, decode_nmnist, spike_pipeline

DUMMY = pathlib.Path(__file__).parent / "dummy_data" / "nmnist"


class TestNMNIST(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = nmnist.Builder
    SPLITS = {"train": 5, "test": 3}  # noqa: RUF012 - as tfds declares it
    EXAMPLE_DIR = DUMMY


def prepare(tmp_path, manual_dir=None):
    builder = tfds.builder("nmnist", data_dir=tmp_path / "prepared")
    config = tfds.download.DownloadConfig(manual_dir=manual_dir)
    builder.download_and_prepare(download_config=config)
    return builder


def plain_read(archive):
    """Recordings of an archive by label and name, without tfds."""
    with zipfile.ZipFile(archive) as file:
        return {
            tuple(name.split("/")[1:]): decode_nmnist(file.read(name))
            for name in file.namelist()
            if name.endswith(".bin")
        }


def assert_same_recordings(dataset, archive):
    def key(events, label):
        return int(label), events.t.tolist(), events.x.tolist()

    expected = [(events, int(label)) for (label, _), events in plain_read(archive).items()]
    found = [(Events.from_dict(events), label) for events, label in tfds.as_numpy(dataset)]
    assert len(found) == len(expected) > 0
    for a, b in zip(
        sorted(found, key=lambda p: key(*p)), sorted(expected, key=lambda p: key(*p)), strict=True
    ):
        assert a == b


def test_tfds_load_with_manual_dir_needs_no_download(tmp_path, no_network):
    config = tfds.download.DownloadConfig(manual_dir=DUMMY)
    (train, test), info = tfds.load(
        "nmnist",
        split=["train", "test"],
        data_dir=tmp_path,
        as_supervised=True,
        with_info=True,
        download_and_prepare_kwargs={"download_config": config},
    )
    assert not no_network
    assert_same_recordings(train, DUMMY / "Train.zip")
    assert_same_recordings(test, DUMMY / "Test.zip")
    assert {k: v.dtype.name for k, v in train.element_spec[0].items()} == {
        "x": "uint8",
        "y": "uint8",
        "t": "int32",
        "polarity": "bool",
    }
    assert info.features["label"].num_classes == 10
    assert "CC BY-SA 4.0" in info.description
    assert "Orchard" in info.citation
    assert str(tmp_path.resolve()) not in repr(next(iter(tfds.as_numpy(train))))


def test_downloaded_archive_with_one_folder(tmp_path, monkeypatch):
    unpacked = tmp_path / "unpacked" / "Some folder"
    unpacked.mkdir(parents=True)
    for name in ("Train.zip", "Test.zip"):
        shutil.copy(DUMMY / name, unpacked)
    asked = []

    def download(self, url):
        asked.append(url)
        return tfds.core.Path(unpacked.parent)

    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", download)
    builder = prepare(tmp_path)
    assert asked == [nmnist.URL]
    assert builder.info.splits["train"].num_examples == 5
    assert builder.info.splits["test"].num_examples == 3

    shutil.rmtree(tmp_path / "prepared")
    (unpacked / "Test.zip").unlink()
    with pytest.raises(ValueError, match=r"should hold one Test.zip. Received: 0 of them"):
        prepare(tmp_path)


def test_checksum_of_the_download_is_registered():
    info = nmnist.Builder.url_infos[nmnist.URL]
    assert info.size == 1178661068
    assert info.checksum == "e6964c15ef4013c91127790ea570d46200778262b9f5f8acd5c1366099d8e351"


def test_neither_download_nor_archives(tmp_path, no_network):
    with pytest.raises(FileNotFoundError) as error:
        prepare(tmp_path)
    message = str(error.value)
    assert no_network == [nmnist.URL]
    for part in (
        "no route to host",
        nmnist.URL,
        str(tmp_path / "prepared" / "downloads" / "manual"),
        "1178661068 bytes",
        "e6964c15ef4013c91127790ea570d46200778262b9f5f8acd5c1366099d8e351",
        "20959b8e626244a1b502305a9e6e2031",
        "69ca8762b2fe404d9b9bad1103e97832",
    ):
        assert part in message


def test_one_archive_is_not_enough(tmp_path, no_network):
    shutil.copy(DUMMY / "Train.zip", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"lacks Test\.zip\.\nDownload https"):
        prepare(tmp_path, manual_dir=tmp_path)
    assert not no_network


def archives_with(folder, name, data):
    for split in ("Train", "Test"):
        with zipfile.ZipFile(folder / f"{split}.zip", "w") as archive:
            archive.writestr(f"{split}/{name}", data)
    return folder


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("3/00001.bin", bytes(7), r"Train\.zip/Train/3/00001\.bin: truncated at byte 5"),
        (
            "3/00001.bin",
            bytes(5) + bytes([0, 34, 0, 0, 0]),
            r"Train\.zip/Train/3/00001\.bin: event at byte 5 is off the sensor: y=34, x=0",
        ),
        ("readme.txt", b"", r"Train\.zip: no recordings of the form <label>/<id>\.bin"),
        ("3/00001.bin", b"", r"Train/3/00001\.bin: a recording must have events.*none, at byte 0"),
        (
            "3/00001.bin",
            bytes([0, 0, 0, 0, 9]) + bytes(5),
            r"Train/3/00001\.bin: time runs backwards at byte 5: 0 us after 9 us",
        ),
        (
            "3/00001.bin",
            bytes(100_000_000),
            r"Train/3/00001\.bin: a recording may have 5,000,000 bytes.*at byte 5000000",
        ),
        (
            "3/00001.bin",
            bytes([0, 240, 0, 0, 0]) * 300_000 + bytes(5),
            r"Train/3/00001\.bin: a data set holds t up to 2147483647. Received: t=2457600000 in ",
        ),
        ("11/00001.bin", bytes(5), r"Train/11/00001\.bin: .* with a label from 0 to 9"),
        ("00001.bin", bytes(5), r"Train/00001\.bin: a recording must be <label>/<id>\.bin"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else value[:30],
)
def test_corrupt_archives_name_file_and_byte(tmp_path, name, data, message):
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path, manual_dir=archives_with(tmp_path, name, data))


def test_empty_archives_are_named(tmp_path):
    for split in ("Train", "Test"):
        zipfile.ZipFile(tmp_path / f"{split}.zip", "w").close()
    shutil.copy(DUMMY / "Test.zip", tmp_path)
    with pytest.raises(ValueError, match=r"Train\.zip: no recordings of the form"):
        prepare(tmp_path, manual_dir=tmp_path)
    (tmp_path / "Train.zip").write_bytes(b"")
    with pytest.raises(ValueError, match=r"Train\.zip is damaged or incomplete"):
        prepare(tmp_path, manual_dir=tmp_path)


@pytest.mark.parametrize("second", ["Train/3/00001.bin", "Copy/3/00001.bin"])
def test_a_recording_that_is_there_twice_is_named(second, tmp_path):
    archives_with(tmp_path, "3/00001.bin", bytes(5))
    with (
        zipfile.ZipFile(tmp_path / "Train.zip", "a") as archive,
        warnings.catch_warnings(action="ignore"),  # zipfile's own
    ):
        archive.writestr(second, bytes(10))
    with pytest.raises(
        ValueError, match=rf"Train\.zip/{second}: the recording 3/00001 is in the archive twice"
    ):
        prepare(tmp_path, manual_dir=tmp_path)


def test_one_archive_for_training_and_testing_is_refused(tmp_path):
    for name in ("Train.zip", "Test.zip"):
        shutil.copy(DUMMY / "Train.zip", tmp_path / name)
    with pytest.raises(ValueError, match=r"Train\.zip and .*Test\.zip are the same archive"):
        prepare(tmp_path, manual_dir=tmp_path)


def test_files_that_begin_with_a_dot_are_no_recordings(tmp_path):
    """An archive made on macOS has one such file beside each recording."""
    archives_with(tmp_path, "3/00001.bin", bytes(5))
    for split in ("Train", "Test"):
        with zipfile.ZipFile(tmp_path / f"{split}.zip", "a") as archive:
            archive.writestr(f"__MACOSX/{split}/3/._00001.bin", b"Mac OS X")
    assert prepare(tmp_path, manual_dir=tmp_path).info.splits["train"].num_examples == 1


def test_no_more_than_the_limit_is_unpacked():
    class Endless:
        asked = 0

        def read(self, size=-1):
            assert 0 <= size <= 1001
            self.asked += size
            return bytes(size)

    file = Endless()
    with pytest.raises(ValueError, match="it: a recording may have 1,000 bytes"):
        sources.read_file(file, "it", 1000)
    assert file.asked <= 1001
    assert sources.read_file(io.BytesIO(bytes(1000)), "it", 1000) == bytes(1000)


def test_damaged_archives_are_named(tmp_path, no_network):
    # Cut short, as after an interrupted copy; and with one byte of a recording changed.
    data = (DUMMY / "Train.zip").read_bytes()
    shutil.copy(DUMMY / "Test.zip", tmp_path)
    (tmp_path / "Train.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"Train\.zip is damaged or incomplete: File is not a zip"):
        prepare(tmp_path, manual_dir=tmp_path)
    with pytest.raises(ValueError, match=r"Train\.zip is damaged or incomplete: File is not a zip"):
        keras_slayer.datasets.load_nmnist(tmp_path, data_dir=tmp_path / "prepared")
    archives_with(tmp_path, "3/00001.bin", bytes(5))
    data = bytearray((tmp_path / "Train.zip").read_bytes())
    data[data.index(b"00001.bin") + len(b"00001.bin")] ^= 1
    (tmp_path / "Train.zip").write_bytes(data)
    with pytest.raises(ValueError, match=r"Train\.zip is damaged or incomplete: Bad CRC-32.*00001"):
        prepare(tmp_path, manual_dir=tmp_path)


def test_load_nmnist(tmp_path, no_network):
    state = random.getstate()  # the seeds of weights
    train, test = keras_slayer.datasets.load_nmnist(DUMMY, data_dir=tmp_path)
    assert random.getstate() == state
    assert_same_recordings(train, DUMMY / "Train.zip")
    assert_same_recordings(test, DUMMY / "Test.zip")
    # Prepared data is read again, also by a plain path as a string.
    again = keras_slayer.datasets.load_nmnist(str(DUMMY), split="train[:3]", data_dir=str(tmp_path))
    assert len(again) == 3
    assert len(list((tmp_path / "nmnist_archives").iterdir())) == 1


def test_load_nmnist_never_mixes_archives(tmp_path, no_network):
    load = keras_slayer.datasets.load_nmnist
    assert len(load(DUMMY, split="train", data_dir=tmp_path / "prepared")) == 5
    other = archives_with(tmp_path, "7/00001.bin", bytes(10))
    dataset = load(other, split="train", data_dir=tmp_path / "prepared")
    ((events, label),) = tfds.as_numpy(dataset)
    assert label == 7
    assert events["t"].tolist() == [0, 0]


def test_load_nmnist_without_archives(tmp_path, no_network):
    with pytest.raises(FileNotFoundError, match=r"lacks Train\.zip\.\nDownload https"):
        keras_slayer.datasets.load_nmnist(tmp_path, data_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match="could not be downloaded"):
        keras_slayer.datasets.load_nmnist(data_dir=tmp_path)
    assert no_network == [nmnist.URL]


def test_default_folder_is_that_of_tfds(tmp_path, no_network, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert len(keras_slayer.datasets.load_nmnist(DUMMY, split="test")) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["nmnist_archives"]


def test_real_sample(sample_data, tmp_path):
    train, test = keras_slayer.datasets.load_nmnist(sample_data, data_dir=tmp_path)
    assert len(train) == 800
    assert_same_recordings(test, sample_data / "Test.zip")
    assert np.bincount([int(label) for _, label in test]).tolist() == [10] * 10
    batches = spike_pipeline(test, steps=350, batch_size=50)
    density = np.mean([spikes.numpy().mean() for spikes, _ in batches])
    assert density == pytest.approx(0.0051, rel=0.05)
