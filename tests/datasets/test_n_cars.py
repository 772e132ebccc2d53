"""The tfds builder of N-CARS, on DAT files written here by Prophesee's description."""

import shutil
import struct
import zipfile

import pytest

import keras_slayer.datasets
from keras_slayer.events import spike_pipeline

HEADER = b"% Data file containing CD events.\n% Version 2\n% Date 2018-1-1 0:0:0\n"
EVENTS = [(17, 5, 99, 1), (40, 119, 0, 0)]  # time, x, y, polarity
# (split, folder, number, events), with labels 0 for background and 1 for cars.
RECORDINGS = [
    ("train", "cars", "obj_000001", EVENTS),
    ("train", "cars", "obj_000002", [(0, 1, 1, 0)]),
    ("train", "background", "obj_000001", [(0, 2, 3, 1), (3, 2, 3, 0)]),
    ("test", "cars", "obj_000001", [(9, 4, 4, 1)]),
    ("test", "background", "obj_000002", [(9, 5, 6, 0)]),
]
TRAIN = [(0, [(0, 2, 3, 1), (3, 2, 3, 0)]), (1, [(0, 1, 1, 0)]),
         (1, [(0, 5, 99, 1), (23, 119, 0, 0)])]  # fmt: skip
TEST = [(0, [(0, 5, 6, 0)]), (1, [(0, 4, 4, 1)])]


def dat(events):
    """Type 0 and 8 bytes each; time, then x in bits 13..0, y in 27..14, polarity in 28."""
    words = (struct.pack("<II", t, p << 28 | y << 14 | x) for t, x, y, p in events)
    return HEADER + bytes((0, 8)) + b"".join(words)


@pytest.fixture
def folder(tmp_path):
    """As the archives are unpacked: n-cars_train/train/cars/obj_000001_td.dat."""
    for split, label, name, events in RECORDINGS:
        path = tmp_path / "cars" / f"n-cars_{split}" / split / label / f"{name}_td.dat"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dat(events))
    return tmp_path / "cars"


def in_archives(folder, target):
    target.mkdir()
    for split in ("train", "test"):
        with zipfile.ZipFile(target / f"n-cars_{split}.zip", "w") as archive:
            for path in (folder / f"n-cars_{split}").rglob("*.dat"):
                archive.write(path, path.relative_to(folder / f"n-cars_{split}"))
            archive.writestr("__MACOSX/train/cars/._obj_000001_td.dat", b"of macOS")
    return target


@pytest.mark.parametrize("where", ["archives", "folders", "splits"])
def test_recordings(where, folder, tmp_path, rows):
    if where == "archives":
        folder = in_archives(folder, tmp_path / "archives")
    elif where == "splits":  # a folder for each split
        for split in ("train", "test"):
            shutil.move(folder / f"n-cars_{split}" / split, tmp_path / "splits" / split)
        folder = tmp_path / "splits"
    train, test = keras_slayer.datasets.load_n_cars(folder, data_dir=tmp_path)
    assert rows(train) == TRAIN and rows(test) == TEST
    ((spikes, labels),) = spike_pipeline(
        test, sensor_shape=(50, 60, 2), steps=10, fit="scale", batch_size=2
    )
    assert spikes.shape == (2, 10, 50, 60, 2) and sorted(labels.numpy()) == [0, 1]


def test_metadata(folder, prepare_by_hand):
    info = prepare_by_hand("n_cars", folder).info
    assert info.features["label"].names == ["background", "cars"]
    assert "never on the data set itself" in info.description
    assert "sironi2018hats" in info.citation


def test_one_split_alone_is_refused(folder, tmp_path):
    shutil.rmtree(folder / "n-cars_test")
    message = r"has n-cars_train, and lacks n-cars_test\.zip or n-cars_test or test"
    with pytest.raises(FileNotFoundError, match=message):
        keras_slayer.datasets.load_n_cars(folder, data_dir=tmp_path)


def test_the_same_recordings_in_both_splits_are_refused(folder, prepare_by_hand):
    shutil.rmtree(folder / "n-cars_test")
    shutil.copytree(folder / "n-cars_train", folder / "n-cars_test")
    with pytest.raises(
        ValueError, match=r"n-cars_train and .*n-cars_test hold the same recordings"
    ):
        prepare_by_hand("n_cars", folder)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("cars/obj_9_td.dat", dat(EVENTS)[:-1], r"cars/obj_9_td\.dat: truncated at byte \d+"),
        ("cars/obj_9_td.dat", b"no DAT file", r"obj_9_td\.dat: at byte 0 should be the type of"),
        ("cars/obj_9_td.dat", dat([]), r"obj_9_td\.dat: a recording must have events"),
        ("cars/obj_9_td.dat", dat([(0, 304, 0, 0)]), r"obj_9_td\.dat: event at .* off the sensor"),
        ("vans/obj_9_td.dat", dat(EVENTS), r"must be one of background, cars\. Received: vans"),
    ],
)
def test_broken_recordings_name_the_file(name, data, message, folder, prepare_by_hand):
    path = folder / "n-cars_test" / "test" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        prepare_by_hand("n_cars", folder)


def test_folders_without_recordings(tmp_path, prepare_by_hand):
    for name, file in (("n-cars_train", "a.txt"), ("n-cars_test", "b.txt")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("")
    with pytest.raises(ValueError, match=r"n-cars_train: no recordings of the form <class>/obj_"):
        prepare_by_hand("n_cars", tmp_path)
