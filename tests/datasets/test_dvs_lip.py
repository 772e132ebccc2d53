"""The tfds builder of DVS-Lip, on NumPy files with the fields that the authors' programs read."""

import io
import zipfile

import numpy as np
import pytest

import keras_slayer.datasets
from keras_slayer.datasets.dvs_lip.words import WORDS

FIELDS = [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")]
# (path, events): time, x, y, polarity.
RECORDINGS = {
    "train/accused/0.npy": [(1_000_000, 127, 0, 1), (1_000_030, 5, 6, 0)],
    "train/accused/1.npy": [(40, 1, 1, 0), (3, 2, 2, 1)],
    "train/young/0.npy": [(5, 3, 127, 1)],
    "test/accused/0.npy": [(5, 4, 4, 1)],
    "test/years/12.npy": [(5, 6, 6, 0)],
}
TRAIN = [(0, [(0, 2, 2, 1), (37, 1, 1, 0)]), (0, [(0, 127, 0, 1), (30, 5, 6, 0)]),
         (99, [(0, 3, 127, 1)])]  # fmt: skip
TEST = [(0, [(0, 4, 4, 1)]), (98, [(0, 6, 6, 0)])]


def npy(events, fields=FIELDS):
    file = io.BytesIO()
    np.save(file, np.array(events, fields))
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    for path, events in RECORDINGS.items():
        file = tmp_path / "lips" / "DVS-Lip" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(npy(events))
    return tmp_path / "lips"


@pytest.mark.parametrize("where", ["archive", "folder", "contents"])
def test_recordings(where, folder, tmp_path, rows):
    if where == "archive":
        source = tmp_path / "archive"
        source.mkdir()
        with zipfile.ZipFile(source / "DVS-Lip.zip", "w") as archive:
            for path in sorted(folder.rglob("*.npy")):
                archive.write(path, path.relative_to(folder))
    else:
        source = folder if where == "folder" else folder / "DVS-Lip"
    train, test = keras_slayer.datasets.load_dvs_lip(source, data_dir=tmp_path)
    assert rows(train) == TRAIN and rows(test) == TEST


def test_classes_and_metadata(folder, prepare_by_hand):
    assert len(set(WORDS)) == 100 and list(WORDS) == sorted(WORDS)
    info = prepare_by_hand("dvs_lip", folder).info
    assert info.features["label"].names == list(WORDS)
    assert "Licence: none stated" in info.description
    assert "tan2022multi" in info.citation


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        ("test/court/0.npy", npy([(0, 128, 0, 1)]), r"court/0\.npy: event at .* is off the sensor"),
        ("test/court/0.npy", npy([(0, -1, 0, 1)]), r"court/0\.npy: event at number 0: x must be"),
        ("test/court/0.npy", npy([]), r"test/court/0\.npy: a recording must have events"),
        ("test/court/0.npy", npy([(1, 2)], FIELDS[:2]), r"should be columns named .*\['t', 'x'\]"),
        ("test/court/0.npy", npy([1, 2], "i4"), r"must be a structured array with the fields t, x"),
        ("test/court/0.npy", npy([(1, 2, 3, 1)])[:-2], r"0\.npy: the array cannot be read"),
        ("test/court/0.npy", b"text", r"0\.npy: the array cannot be read"),
        ("val/court/0.npy", b"", r"court/0\.npy: a recording must be named <split>/<word>/<num"),
        ("test/shout/0.npy", npy([(1, 2, 3, 1)]), r"must be one of accused, .*Received: shout"),
    ],
)
def test_broken_recordings_name_the_file(path, data, message, folder, prepare_by_hand):
    file = folder / "DVS-Lip" / path
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        prepare_by_hand("dvs_lip", folder)
