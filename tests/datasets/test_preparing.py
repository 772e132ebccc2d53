"""What happens while a data set is prepared: another process does the same, a wrong variant."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_slayer import datasets
from keras_slayer.datasets.nmnist import nmnist_dataset_builder as nmnist
from keras_slayer.datasets.saccades_builder import SaccadesOf

DUMMY = pathlib.Path(__file__).parent / "dummy_data" / "nmnist"


@pytest.fixture
def at_once(monkeypatch):
    """While a builder prepares, another process begins and ends the same."""

    def do(builder, load):
        prepare, calls = builder.download_and_prepare, []

        def begin(self, *args, **kwargs):
            calls.append(self)
            return prepare(self, *args, **kwargs)

        split = builder._split_generators

        def generators(self, dl_manager, *args, **kwargs):
            if len(calls) == 1:
                load()
            return split(self, dl_manager, *args, **kwargs)

        monkeypatch.setattr(builder, "download_and_prepare", begin)
        monkeypatch.setattr(builder, "_split_generators", generators)
        found = load()
        assert len(calls) >= 2
        return found

    return do


def test_two_processes_prepare_archives(at_once, tmp_path):
    found = at_once(nmnist.Builder, lambda: datasets.load_nmnist(DUMMY, data_dir=tmp_path))
    again = datasets.load_nmnist(DUMMY, data_dir=tmp_path)
    assert [int(d.cardinality()) for d in found] == [int(d.cardinality()) for d in again]
    assert not [*tmp_path.rglob("*incomplete*")]


def test_two_processes_prepare_saccades(at_once, tmp_path):
    images = tmp_path / "images"
    for split in ("train", "test"):
        for name in ("a", "b"):
            (images / split / name).mkdir(parents=True)
            picture = np.indices((12, 12, 3)).sum(0) * 9
            keras.utils.save_img(images / split / name / "0.png", picture)
    source = tfds.ImageFolder(str(images))
    load = lambda: datasets.saccades_of(source, size=(12, 12), data_dir=tmp_path)  # noqa: E731
    assert [int(data.cardinality()) for data in at_once(SaccadesOf, load)] == [2, 2]


@pytest.mark.parametrize("name", ["saccade_mnist", "synthetic_gestures", "synthetic_words"])
def test_an_unknown_variant(name, tmp_path):
    message = r"config must be one of \['full', 'small'\]. Received: config='tiny'"
    with pytest.raises(ValueError, match=message):
        getattr(datasets, f"load_{name}")(config="tiny", data_dir=tmp_path)
