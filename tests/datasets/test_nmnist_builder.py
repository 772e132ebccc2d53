"""The tfds builder of N-MNIST: dummy archives of 5 + 3 recordings, and the real sample."""

import pathlib
import shutil
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_slayer.datasets
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
    ],
)
def test_corrupt_archives_name_file_and_byte(tmp_path, name, data, message):
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path, manual_dir=archives_with(tmp_path, name, data))


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
    train, test = keras_slayer.datasets.load_nmnist(DUMMY, data_dir=tmp_path)
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
