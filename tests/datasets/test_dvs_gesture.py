"""The tfds builder of DVS128 Gesture: a dummy archive of three recordings, and broken ones."""

import pathlib
import shutil
import struct
import tarfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_slayer.datasets
from keras_slayer.datasets.dvs_gesture import dvs_gesture_dataset_builder as dvs_gesture
from keras_slayer.datasets.dvs_gesture.labels import GESTURES, Trial, parse_labels
from keras_slayer.events import Events, encode_aedat, spike_pipeline

DUMMY = pathlib.Path(__file__).parent / "dummy_data" / "dvs_gesture"
HEADER = "class,startTime_usec,endTime_usec\n"
# (recording, label, start, stop); the third was written as stopping at 99 s, after the fourth
# has begun, as one of IBM's labels does.
TRAIN = [
    ("user01_led", 0, 80_000_000, 85_000_000),
    ("user01_led", 7, 86_000_000, 90_000_000),
    ("user01_led", 8, 91_000_000, 95_000_000),
    ("user01_led", 9, 95_000_000, 98_000_000),
    ("user02_lab", 7, 1_000_000, 2_000_000),
    ("user02_lab", 7, 2_000_000, 3_000_000),
]
TEST = [("user24_led", 10, 500_000, 1_500_000), ("user24_led", 3, 2_000_000, 2_600_000)]


class TestDvsGesture(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = dvs_gesture.Builder
    SPLITS = {"train": 6, "test": 2}  # noqa: RUF012 - as tfds declares it
    EXAMPLE_DIR = DUMMY


def plain_read(data: bytes):
    """Polarity events of an AEDAT 3.1 file, event by event: (t, x, y, polarity)."""
    position = data.index(b"#!END-HEADER\r\n") + len(b"#!END-HEADER\r\n")
    events = []
    while position < len(data):
        *_, number, _ = struct.unpack_from("<hhiiiiii", data, position)
        position += 28
        for _ in range(number):
            address, time = struct.unpack_from("<Ii", data, position)
            events.append((time, address >> 17, address >> 2 & 0x7FFF, address >> 1 & 1))
            position += 8
    return events


@pytest.fixture
def unpacked(tmp_path):
    """The contents of the dummy archive, as a folder."""
    with tarfile.open(DUMMY / "DvsGesture.tar.gz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    return tmp_path / "unpacked" / "DvsGesture"


def assert_trials(dataset, trials, folder):
    expected = []
    for name, label, start, stop in trials:
        events = plain_read((folder / f"{name}.aedat").read_bytes())
        part = [(t - start, x, y, p) for t, x, y, p in events if start <= t < stop]
        assert len(part) > 10
        expected.append((label, part))
    found = [
        (
            int(label),
            list(
                zip(
                    *(events[name].astype(int).tolist() for name in ("t", "x", "y", "polarity")),
                    strict=True,
                )
            ),
        )
        for events, label in tfds.as_numpy(dataset)
    ]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("where", ["archive", "folder", "contents"])
def test_trials_are_cut_by_their_labels(where, unpacked, tmp_path):
    source = {"archive": DUMMY, "folder": unpacked.parent, "contents": unpacked}[where]
    train, test = keras_slayer.datasets.load_dvs_gesture(source, data_dir=tmp_path)
    assert_trials(train, TRAIN, unpacked)
    assert_trials(test, TEST, unpacked)
    ((spikes, labels),) = spike_pipeline(
        test, sensor_shape=(128, 128, 2), steps=300, dt=5.0, batch_size=2
    )
    assert spikes.shape == (2, 300, 128, 128, 2) and spikes.numpy().sum() > 20
    assert sorted(labels.numpy()) == [3, 10]


def test_metadata(prepare_by_hand, tmp_path):
    info = prepare_by_hand("dvs_gesture", DUMMY).info
    assert info.features["label"].names == list(GESTURES)
    assert "CC BY 4.0" in info.description and "110590564" in info.description
    assert "amir2017low" in info.citation


def test_prepared_data_is_read_again_and_never_mixed(unpacked, tmp_path):
    load = keras_slayer.datasets.load_dvs_gesture
    assert len(load(DUMMY, split="train", data_dir=tmp_path)) == 6
    assert len(load(str(DUMMY), split="train[:2]", data_dir=str(tmp_path))) == 2
    assert len(list((tmp_path / "dvs_gesture_archives").iterdir())) == 1
    (unpacked / "trials_to_train.txt").write_text("user02_lab.aedat\n")
    assert len(load(unpacked, split="train", data_dir=tmp_path)) == 2


def test_nothing_there_says_what_to_fetch(tmp_path, prepare_by_hand):
    parts = ("DvsGesture.tar.gz", "8a5c71fb11e24e5ca5b11866ca6c00a1", "research.ibm.com")
    with pytest.raises(FileNotFoundError) as error:
        prepare_by_hand("dvs_gesture")
    for part in (*parts, str(tmp_path / "prepared" / "downloads" / "manual")):
        assert part in str(error.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError) as error:
        keras_slayer.datasets.load_dvs_gesture(tmp_path / "empty", data_dir=tmp_path)
    for part in (*parts, f"{tmp_path / 'empty'} does not hold"):
        assert part in str(error.value)


def test_events_out_of_order_are_put_in_order(unpacked, prepare_by_hand):
    events = Events(x=[3, 1, 2], y=[0, 0, 0], t=[2_500_000, 1_000_005, 1_000_001])
    (unpacked / "user02_lab.aedat").write_bytes(encode_aedat(events))
    (unpacked / "trials_to_train.txt").write_text("user02_lab.aedat\n")
    dataset = prepare_by_hand("dvs_gesture", unpacked).as_dataset(split="train", as_supervised=True)
    found = sorted((e["t"].tolist(), e["x"].tolist()) for e, _ in tfds.as_numpy(dataset))
    assert found == [([1, 5], [2, 1]), ([500_000], [3])]


def test_a_trial_has_its_start_and_not_its_stop(unpacked, prepare_by_hand):
    # user02_lab: 1,000,000 to 2,000,000 us, then 2,000,000 to 3,000,000 us.
    t = [999_999, 1_000_000, 1_999_999, 2_000_000, 2_999_999, 3_000_000]
    (unpacked / "user02_lab.aedat").write_bytes(encode_aedat(Events(x=range(6), y=[0] * 6, t=t)))
    (unpacked / "trials_to_train.txt").write_text("user02_lab.aedat\n")
    dataset = prepare_by_hand("dvs_gesture", unpacked).as_dataset(split="train", as_supervised=True)
    found = sorted((e["x"].tolist(), e["t"].tolist()) for e, _ in tfds.as_numpy(dataset))
    assert found == [([1, 2], [0, 999_999]), ([3, 4], [0, 999_999])]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("trials_to_test.txt", None), r"DvsGesture lacks trials_to_test\.txt"),
        (("trials_to_test.txt", b"\n"), r"trials_to_test\.txt lists no recordings"),
        (("trials_to_test.txt", b"user24_led.bin"), r"should list \*\.aedat files.*'user24_led"),
        (("trials_to_test.txt", b"user01_led.aedat"), r"user01_led\.aedat is listed for training"),
        (("user24_led_labels.csv", None), r"lacks user24_led_labels\.csv"),
        (("user24_led_labels.csv", b"12,0,1"), r"user24_led_labels\.csv: line 1 should be class,"),
        (("user24_led.aedat", None), r"DvsGesture lacks user24_led\.aedat, which its lists name"),
        (("user24_led.aedat", b"nothing"), r"DvsGesture/user24_led\.aedat: not an AEDAT 3\.1"),
        (
            ("user24_led.aedat", encode_aedat(Events(x=[0], t=[5]))),
            r"user24_led\.aedat: no events in the trial from 500000 to 1500000 us",
        ),
        (
            ("user24_led.aedat", encode_aedat(Events(x=[1, 128], y=[0, 7], t=[5, 6]))),
            r"user24_led\.aedat: event at byte \d+ is off the sensor: y=7, x=128",
        ),
    ],
)
def test_broken_folders(change, message, unpacked, prepare_by_hand):
    name, data = change
    if data is None:
        (unpacked / name).unlink()
    else:
        (unpacked / name).write_bytes(data)
    with pytest.raises(ValueError, match=message):
        prepare_by_hand("dvs_gesture", unpacked.parent)


@pytest.mark.parametrize(
    ("limit", "name"),
    [("MOST_BYTES", r"user\w+\.aedat"), ("MOST_TEXT_BYTES", r"(trials_to_\w+\.txt|\w+\.csv)")],
)
def test_files_that_are_too_long_are_not_read(limit, name, monkeypatch, prepare_by_hand):
    monkeypatch.setattr(dvs_gesture, limit, 10)
    with pytest.raises(ValueError, match=rf"/{name}: a recording may have 10 bytes"):
        prepare_by_hand("dvs_gesture", DUMMY)


@pytest.mark.parametrize("damage", ["cut", "changed", "text"])
def test_damaged_archives_are_named(damage, tmp_path, prepare_by_hand):
    data = bytearray((DUMMY / "DvsGesture.tar.gz").read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "changed":
        data[-6] ^= 1  # the CRC
    else:
        data = b"no archive"
    (tmp_path / "DvsGesture.tar.gz").write_bytes(data)
    with pytest.raises(ValueError, match=r"DvsGesture\.tar\.gz is damaged or incomplete"):
        prepare_by_hand("dvs_gesture", tmp_path)


def test_labels_are_parsed_and_the_known_error_is_cut():
    text = HEADER + "1,10,20\n\n9,40,110590564\n10,60,70\n8, 25 ,30\n"
    assert parse_labels(text, "user22_led_labels.csv") == [
        Trial(0, 10, 20),
        Trial(8, 40, 60),
        Trial(9, 60, 70),
        Trial(7, 25, 30),
    ]
    assert parse_labels("\ufeff" + HEADER.replace("\n", "\r\n") + "11,0,9\r\n", "x") == [
        Trial(10, 0, 9)
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("1,2\n", r"f\.csv, line 2: should be three whole numbers.*Received: '1,2'"),
        ("1,2,3\n1,5,x\n", r"f\.csv, line 3: should be three whole numbers"),
        ("0,2,3\n", r"line 2: class must be 1 to 11\. Received: 0"),
        ("12,2,3\n", r"line 2: class must be 1 to 11\. Received: 12"),
        ("1,3,3\n", r"line 2: a trial must start before it stops.*Received: 3 to 3 us"),
        ("1,-3,3\n", r"Received: -3 to 3 us"),
        ("1,0,3000000000\n", r"less than 36 minutes\. Received: 0 to 3000000000 us"),
        ("1,2,3\n2,2,4\n", r"f\.csv: two trials start at 2 us"),
    ],
)
def test_wrong_labels(lines, message):
    with pytest.raises(ValueError, match=message):
        parse_labels(HEADER + lines, "f.csv")


def test_copies_of_the_archive_elsewhere_share_prepared_data(tmp_path):
    shutil.copytree(DUMMY, tmp_path / "copy")
    for source in (DUMMY, tmp_path / "copy"):
        dataset = keras_slayer.datasets.load_dvs_gesture(source, split="test", data_dir=tmp_path)
        assert np.sum([1 for _ in dataset]) == 2
    assert len(list((tmp_path / "dvs_gesture_archives").iterdir())) == 1
