"""The tfds builder of N-Caltech101: a dummy archive of eight recordings, and the example."""

import os
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_slayer.datasets
from keras_slayer.datasets.n_caltech101 import n_caltech101_dataset_builder as n_caltech101
from keras_slayer.datasets.n_caltech101.classes import CLASSES
from keras_slayer.events import Events, decode_nmnist, encode_nmnist, spike_pipeline

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "n_caltech101.py"
DUMMY = pathlib.Path(__file__).parent / "dummy_data" / "n_caltech101"
TRAIN = [("airplanes", 1), ("airplanes", 2), ("Faces_easy", 4), ("BACKGROUND_Google", 1),
         ("yin_yang", 11)]  # fmt: skip
TEST = [("airplanes", 5), ("Faces_easy", 5), ("BACKGROUND_Google", 10)]


class TestNCaltech101(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = n_caltech101.Builder
    SPLITS = {"train": 5, "test": 3}  # noqa: RUF012 - as tfds declares it
    EXAMPLE_DIR = DUMMY


@pytest.fixture
def unpacked(tmp_path):
    with zipfile.ZipFile(DUMMY / "Caltech101.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked" / "Caltech101"


def assert_recordings(dataset, names, folder):
    expected = {}
    for name, number in names:
        data = (folder / name / f"image_{number:04d}.bin").read_bytes()
        expected[len(data) // 5, CLASSES.index(name)] = decode_nmnist(data)
    assert len(expected) == len(names)
    for fields, label in tfds.as_numpy(dataset):
        events = Events.from_dict(fields)
        assert expected.pop((len(events), int(label))) == events
    assert not expected


@pytest.mark.parametrize("where", ["archive", "folder", "contents"])
def test_every_fifth_recording_tests(where, unpacked, tmp_path, no_network):
    source = {"archive": DUMMY, "folder": unpacked.parent, "contents": unpacked}[where]
    train, test = keras_slayer.datasets.load_n_caltech101(source, data_dir=tmp_path)
    assert not no_network
    assert_recordings(train, TRAIN, unpacked)
    assert_recordings(test, TEST, unpacked)
    assert len(list((tmp_path / "n_caltech101_archives").iterdir())) == 1


def test_recordings_of_all_sizes_come_to_one_frame(tmp_path, no_network):
    train = keras_slayer.datasets.load_n_caltech101(DUMMY, split="train", data_dir=tmp_path)
    for fit in ("crop", "scale"):
        ((spikes, _),) = spike_pipeline(
            train, sensor_shape=(45, 60, 2), steps=300, fit=fit, batch_size=5
        )
        assert spikes.shape == (5, 300, 45, 60, 2)
        assert (spikes.numpy().sum(axis=(1, 2, 3, 4)) > (0 if fit == "crop" else 10)).all()


def test_classes_and_metadata(prepare_by_hand):
    assert len(CLASSES) == len(set(CLASSES)) == 101
    assert "Faces" not in CLASSES
    info = prepare_by_hand("n_caltech101", DUMMY).info
    assert info.features["label"].names == list(CLASSES)
    assert "CC BY 4.0" in info.description
    assert "orchard2015converting" in info.citation


def test_checksum_of_the_download_is_registered():
    info = n_caltech101.Builder.url_infos[n_caltech101.URL]
    assert info.size == 3991470277
    assert info.checksum == "5cf34932049665c4740c7c3fa126bc6b8a5e007691fdd3a4e3171d30f8908930"


def test_downloaded_archive_with_one_folder(tmp_path, monkeypatch, prepare_by_hand):
    folder = tmp_path / "downloaded" / "Some folder"
    shutil.copytree(DUMMY, folder)
    monkeypatch.setattr(
        tfds.download.DownloadManager,
        "download_and_extract",
        lambda self, url: {n_caltech101.URL: tfds.core.Path(folder.parent)}[url],
    )
    assert prepare_by_hand("n_caltech101").info.splits["train"].num_examples == 5
    shutil.rmtree(tmp_path / "prepared")
    (folder / "Caltech101.zip").unlink()
    with pytest.raises(ValueError, match=r"should hold one Caltech101\.zip. Received: 0 of them"):
        prepare_by_hand("n_caltech101")


def test_neither_download_nor_archive(tmp_path, no_network, prepare_by_hand):
    with pytest.raises(FileNotFoundError) as error:
        prepare_by_hand("n_caltech101")
    assert no_network == [n_caltech101.URL]
    for part in ("no route to host", "3991470277 bytes", "Caltech101.zip", n_caltech101.URL):
        assert part in str(error.value)
    with pytest.raises(FileNotFoundError, match=r"does not hold what n_caltech101 is made from"):
        keras_slayer.datasets.load_n_caltech101(tmp_path / "nowhere", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("ant/image_0001.bin", bytes(7), r"ant/image_0001\.bin: truncated at byte 5"),
        (
            "ant/image_0001.bin",
            bytes([0, 180, 0, 0, 0]),
            r"ant/image_0001\.bin: event at byte 0 is off the sensor: y=180, x=0",
        ),
        ("Faces/image_0001.bin", b"", r"Faces/image_0001\.bin: Faces is no class of N-Caltech101"),
        ("ant/image_0001.bin", b"", r"ant/image_0001\.bin: a recording must have events"),
        (
            "ant/image_0001.bin",
            bytes(20_000_001),
            r"ant/image_0001\.bin: a recording may have 20,000,000 bytes",
        ),
        ("ant/readme.txt", b"", r"no recordings of the form <class>/image_NNNN\.bin"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else value[:30],
)
def test_broken_recordings_name_file_and_byte(name, data, message, tmp_path, prepare_by_hand):
    path = tmp_path / "Caltech101" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        prepare_by_hand("n_caltech101", tmp_path)


def test_a_recording_that_is_there_twice_is_named(tmp_path, prepare_by_hand):
    with zipfile.ZipFile(tmp_path / "Caltech101.zip", "w") as archive:
        for folder in ("Caltech101", "copy"):
            archive.writestr(f"{folder}/ant/image_0001.bin", bytes(5))
    message = r"Caltech101\.zip/copy/ant/image_0001\.bin: the recording ant/0001 is in .* twice"
    with pytest.raises(ValueError, match=message):
        prepare_by_hand("n_caltech101", tmp_path)


def test_damaged_archive_is_named(tmp_path, prepare_by_hand):
    data = (DUMMY / "Caltech101.zip").read_bytes()
    (tmp_path / "Caltech101.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"Caltech101\.zip is damaged or incomplete"):
        prepare_by_hand("n_caltech101", tmp_path)


def write_shapes(folder, per_class=20):
    """Recordings of different sizes in which a class is a direction: of a line that moves."""
    rng = np.random.default_rng(0)
    for name, axis in (("airplanes", 0), ("watch", 1)):
        (folder / name).mkdir(parents=True)
        for number in range(1, per_class + 1):
            size = rng.integers(90, 180, 2)
            t = np.sort(rng.integers(0, 300_000, 6_000))
            place = rng.uniform(0, size, (len(t), 2))
            place[:, axis] = size[axis] * t / 300_000
            y, x = np.floor(place).astype(int).T
            events = Events(x=x, y=y, t=t, polarity=rng.integers(0, 2, len(t)))
            (folder / name / f"image_{number:04d}.bin").write_bytes(encode_nmnist(events))


def check_table(output, least, folder):
    figures = dict(re.findall(r"│ ([\w ,()]+?) +│ +([\w./%]+) │", output))
    assert figures["training recordings"] == "32" and figures["test recordings"] == "8"
    assert float(figures["test accuracy"].rstrip("%")) >= least, figures
    assert (folder / figures["model"]).stat().st_size > 10_000


def options(folder, fit, epochs):
    return [
        *("--data-dir", str(folder), "--classes", "airplanes", "watch", "--fit", fit),
        *("--frame", "24", "32", "--epochs", str(epochs)),
    ]


def test_example_trains_and_evaluates(tmp_path):
    write_shapes(tmp_path / "Caltech101")
    result = subprocess.run(
        [sys.executable, str(EXAMPLE), *options(tmp_path, "scale", 12)],
        cwd=tmp_path,
        env={**os.environ, "TFDS_DATA_DIR": str(tmp_path / "tfds"), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    check_table(result.stdout, 75, tmp_path)


@pytest.fixture
def run_example(tmp_path, monkeypatch):
    """Runs the example in this process: the import of TensorFlow takes longer than it."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.syspath_prepend(EXAMPLE.parent)
        monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *arguments])
        runpy.run_path(str(EXAMPLE), run_name="__main__")

    return run


# One epoch on so little data leaves layers silent.
@pytest.mark.filterwarnings("ignore::keras_slayer.FiringRateWarning")
def test_example_crops(run_example, tmp_path, capsys):
    # The crop shows little of these recordings: it is enough that it runs.
    write_shapes(tmp_path / "Caltech101")
    run_example(*options(tmp_path, "crop", 1))
    check_table(capsys.readouterr().out, 0, tmp_path)


def test_example_refuses_unknown_classes(run_example, capsys):
    with pytest.raises(SystemExit):
        run_example("--classes", "horse")
    output = capsys.readouterr()
    assert "--classes: horse is no class of N-Caltech101" in output.err
    assert "Epoch 1" not in output.out


def test_example_says_what_is_missing(run_example, capsys):
    with pytest.raises(SystemExit, match=r"^1$"):
        run_example("--data-dir", "nowhere")
    output = capsys.readouterr()
    assert re.match(r"(?s)error: nowhere does not hold .*Caltech101\.zip", output.err)
    assert "Epoch 1" not in output.out
