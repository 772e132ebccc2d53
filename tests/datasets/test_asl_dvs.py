"""The tfds builder of ASL-DVS, on MAT files written here by scipy."""

import io
import struct
import zipfile

import numpy as np
import pytest
import scipy.io

import keras_slayer.datasets
from keras_slayer.datasets.asl_dvs.asl_dvs_dataset_builder import CLASSES
from keras_slayer.datasets.asl_dvs.mat import decode_mat

SHAPE = (180, 240, 2)
# Times, x, y from the bottom, polarity.
COLUMNS = {"ts": [1007, 1000, 1250], "x": [239, 0, 5], "y": [0, 179, 2], "pol": [0, 1, 1]}
READ = [(0, 0, 0, 1), (7, 239, 179, 0)]  # of the first two, in order of time


def mat(columns=COLUMNS, dtype=np.float64, **options):
    """Level 5, with columns (events, 1) as MATLAB has them."""
    file = io.BytesIO()
    matrices = {name: np.array(column, dtype).reshape(-1, 1) for name, column in columns.items()}
    scipy.io.savemat(file, matrices, **options)
    return file.getvalue()


def write(folder, archives):
    for letter in CLASSES:
        x = [239, 0, CLASSES.index(letter)]
        files = {
            f"{letter}/{letter}_{number:04d}.mat": mat(
                {**COLUMNS, "x": x, "ts": [1007, 1000, 1250 + number]}
            )
            for number in (1, 4, 5)
        }
        if archives:
            with zipfile.ZipFile(folder / f"Yin Bi - {letter}.zip", "w") as archive:
                for path, data in files.items():
                    archive.writestr(path, data)
        else:
            (folder / letter).mkdir(parents=True)
            for path, data in files.items():
                (folder / path).write_bytes(data)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "letters", archives=False)


@pytest.mark.parametrize("archives", [True, False])
def test_recordings_and_split(archives, tmp_path, rows):
    source = tmp_path / "source"
    source.mkdir()
    train, test = keras_slayer.datasets.load_asl_dvs(write(source, archives), data_dir=tmp_path)

    def expected(*numbers):
        return [
            (label, [*READ, (250 + number, label, 177, 1)])
            for label in range(24)
            for number in numbers
        ]

    assert rows(test) == expected(5) and rows(train) == expected(1, 4)


def test_metadata(folder, prepare_by_hand):
    info = prepare_by_hand("asl_dvs", folder).info
    assert info.features["label"].names == list("abcdefghiklmnopqrstuvwxy")
    assert "Licence: none stated" in info.description
    assert "bi2019graph" in info.citation


@pytest.mark.parametrize("options", [{}, {"do_compression": True}, {"dtype": np.int32}])
def test_columns_of_all_types(options):
    events = decode_mat(mat(**options), "a.mat", SHAPE)
    assert events.t.tolist() == [1007, 1000, 1250]
    assert events.y.tolist() == [179, 0, 177] and events.polarity.tolist() == [0, 1, 1]
    minus = {**COLUMNS, "pol": [-1, 1, 1]}
    assert decode_mat(mat(minus), "a.mat", SHAPE) == events


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"a\.mat: not a MAT file of level 5"),
        (b"x" * 500, r"a\.mat: not a MAT file of level 5\. Received: one that begins with b'xxx"),
        (mat()[:-30], r"a\.mat: damaged: truncated at byte \d+"),
        (mat(do_compression=True)[:-3], r"a\.mat: damaged: truncated at byte \d+"),
        (mat().replace(b"pol", b"pal"), r"a\.mat: there should be columns named"),
        (mat({"x": [1], "y": [1], "ts": [1]}), r"a\.mat: there should be columns named .*'x'"),
        (mat({**COLUMNS, "ts": [1]}), r"columns should be vectors of one length\. Received: .*3"),
        (mat({**COLUMNS, "ts": [1, 2, 2.5]}), r"whole microseconds\. Received: t=2\.5 in event 2"),
        (mat({**COLUMNS, "x": [1, 2, 0.5]}), r"event at number 2: x must be a whole number"),
        (mat({**COLUMNS, "x": [1, 240, 0]}), r"a\.mat: event at number 1 is off the sensor: y=179"),
    ],
)
def test_broken_files(data, message):
    with pytest.raises(ValueError, match=message):
        decode_mat(data, "a.mat", SHAPE)


def test_files_of_version_73_say_so():
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    with pytest.raises(ValueError, match=r"a\.mat: a MAT file of version 7\.3, which is HDF5"):
        decode_mat(head + bytes(600), "a.mat", SHAPE)


def test_a_broken_recording_is_named(folder, prepare_by_hand):
    (folder / "k" / "k_0004.mat").write_bytes(b"")
    with pytest.raises(ValueError, match=r"letters/k/k_0004\.mat: not a MAT file"):
        prepare_by_hand("asl_dvs", folder)


def test_damage_is_an_error_or_other_numbers():
    """Any byte may be damaged: there is no checksum, unless the file is compressed."""
    rng = np.random.default_rng(0)
    whole = [mat({**COLUMNS, "ts": np.arange(3)}, do_compression=c) for c in (False, True)]
    errors = 0
    for number in range(2000):
        data = bytearray(whole[number % 2])
        for place in rng.integers(100, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(256)
        try:
            decode_mat(bytes(data[: rng.integers(100, 2 * len(data))]), "a.mat", SHAPE)
        except ValueError as error:
            assert str(error).startswith("a.mat: ")
            errors += 1
    assert errors > 1000


def test_the_other_order_of_bytes_and_small_elements():
    """Written here, big-endian; scipy writes the order of this machine."""

    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    def small(kind, data):
        return struct.pack(">HH", len(data), kind) + data.ljust(4, b"\0")

    def matrix(name, numbers):
        flags = element(6, struct.pack(">II", 6, 0))  # double
        sizes = element(5, struct.pack(">ii", len(numbers), 1))
        return element(14, flags + sizes + small(1, name) + element(4, numbers.tobytes()))

    data = b"MATLAB 5.0".ljust(124) + b"\x01\x00MI"
    data += element(14, b"")  # an empty one
    data += matrix(b"abcd", np.array([1.5], ">f8"))
    for name, column in COLUMNS.items():
        data += matrix(name.encode(), np.array(column, ">u2"))
    assert decode_mat(data, "a.mat", SHAPE) == decode_mat(mat(), "a.mat", SHAPE)
