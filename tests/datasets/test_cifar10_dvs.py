"""The tfds builder of CIFAR10-DVS, on AEDAT 2.0 files written here by the description of jAER."""

import struct
import zipfile

import pytest

import keras_slayer.datasets
from keras_slayer.datasets.cifar10_dvs import cifar10_dvs_dataset_builder as cifar10_dvs
from keras_slayer.datasets.cifar10_dvs.cifar10_dvs_dataset_builder import CLASSES

HEADER = b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n# Timestamps tick is 1 us\r\n"
# Time, x, y, polarity; the clock of the camera runs for a minute when a recording begins.
EVENTS = [(60_000_005, 3, 0, 1), (60_000_005, 127, 127, 0), (60_000_900, 0, 64, 1)]
FROM_FIRST = [(0, 3, 0, 1), (0, 127, 127, 0), (895, 0, 64, 1)]


def aedat2(events):
    """x from the right in bits 7..1, y from the bottom in bits 14..8, and bit 0 is 0 for ON."""
    words = ((127 - y << 8 | 127 - x << 1 | 1 - p, t) for t, x, y, p in events)
    return HEADER + b"".join(struct.pack(">II", *word) for word in words)


def recordings(name):
    """Of a class: numbers and files. Those below 100 test."""
    label = CLASSES.index(name)
    mark = (60_001_000, label, label, 0)
    return {number: aedat2([*EVENTS, mark]) for number in (7, 99, 100, 999)}


def write(folder, archives):
    for name in CLASSES:
        files = {f"{name}/cifar10_{name}_{n}.aedat": d for n, d in recordings(name).items()}
        if archives:
            with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
                for path, data in files.items():
                    archive.writestr(path, data)
        else:
            (folder / name).mkdir(parents=True)
            for path, data in files.items():
                (folder / path).write_bytes(data)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "folders", archives=False)


@pytest.mark.parametrize("archives", [True, False])
def test_recordings_and_split(archives, tmp_path, rows):
    source = tmp_path / "source"
    source.mkdir()
    train, test = keras_slayer.datasets.load_cifar10_dvs(write(source, archives), data_dir=tmp_path)
    expected = [
        (label, [*FROM_FIRST, (995, label, label, 0)]) for label in range(10) for _ in range(2)
    ]
    assert rows(train) == expected and rows(test) == expected


def test_numbers_below_100_test(folder, tmp_path, rows):
    (folder / "cat" / "cifar10_cat_99.aedat").write_bytes(aedat2([(5, 1, 2, 1)]))
    (folder / "cat" / "cifar10_cat_100.aedat").write_bytes(aedat2([(5, 2, 1, 1)]))
    train, test = keras_slayer.datasets.load_cifar10_dvs(folder, data_dir=tmp_path)
    assert (3, [(0, 1, 2, 1)]) in rows(test) and (3, [(0, 1, 2, 1)]) not in rows(train)
    assert (3, [(0, 2, 1, 1)]) in rows(train) and (3, [(0, 2, 1, 1)]) not in rows(test)


def test_late_events_are_sorted_and_others_of_the_camera_skipped(folder, tmp_path, rows):
    other = struct.pack(">II", 1 << 15 | 5, 1)  # an event that is no pixel's
    data = aedat2([(20, 1, 1, 1), (10, 2, 2, 0)]) + other
    (folder / "ship" / "cifar10_ship_7.aedat").write_bytes(data)
    test = keras_slayer.datasets.load_cifar10_dvs(folder, split="test", data_dir=tmp_path)
    assert (8, [(0, 2, 2, 0), (10, 1, 1, 1)]) in rows(test)


def test_metadata(folder, prepare_by_hand):
    info = prepare_by_hand("cifar10_dvs", folder).info
    assert info.features["label"].names == list(CLASSES)
    assert info.redistribution_info.license == "CC BY 4.0"
    assert "0 to 99" in info.description and "never on the data set itself" in info.description
    assert "li2017cifar10" in info.citation


def test_missing_class_is_named(folder, tmp_path):
    for file in (folder / "frog").iterdir():
        file.unlink()
    (folder / "frog").rmdir()
    with pytest.raises(FileNotFoundError, match=r"and lacks frog\.zip or frog$"):
        keras_slayer.datasets.load_cifar10_dvs(folder, data_dir=tmp_path)


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        ("dog/cifar10_dog_0.aedat", b"no header", r"dog_0\.aedat: not an AEDAT 2\.0 file.*b'no he"),
        ("dog/cifar10_cat_0.aedat", HEADER, r"must be named <class>/cifar10_<class>_<number>\.ae"),
        ("dog/cifar10_dog_0.aedat", HEADER, r"dog_0\.aedat: a recording must have events"),
        ("dog/cifar10_dog_0.aedat", aedat2(EVENTS)[:-3], r"dog_0\.aedat: truncated at byte \d+"),
    ],
)
def test_broken_recordings_name_the_file(path, data, message, folder, prepare_by_hand):
    (folder / path).write_bytes(data)
    with pytest.raises(ValueError, match=message):
        prepare_by_hand("cifar10_dvs", folder)


def test_recordings_of_another_class_or_twice(folder, tmp_path, prepare_by_hand):
    (folder / "bird" / "deep" / "dog").mkdir(parents=True)
    (folder / "bird" / "deep" / "dog" / "cifar10_dog_7.aedat").write_bytes(aedat2(EVENTS))
    with pytest.raises(ValueError, match=r"dog_7\.aedat: the recording dog/7 is there twice"):
        prepare_by_hand("cifar10_dvs", folder)


def test_long_files_are_not_read(folder, prepare_by_hand, monkeypatch):
    monkeypatch.setattr(cifar10_dvs, "MOST_BYTES", 50)
    with pytest.raises(ValueError, match=r"\.aedat: a recording may have 50 bytes"):
        prepare_by_hand("cifar10_dvs", folder)


def test_damaged_archive_is_named(tmp_path, prepare_by_hand):
    (tmp_path / "archives").mkdir()
    folder = write(tmp_path / "archives", archives=True)
    data = (folder / "horse.zip").read_bytes()
    (folder / "horse.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"horse\.zip is damaged or incomplete"):
        prepare_by_hand("cifar10_dvs", folder)
