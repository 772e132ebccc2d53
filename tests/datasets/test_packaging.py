"""What importing the data sets needs, and what they must ship."""

import pathlib
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

import keras_slayer.datasets

FOLDER = pathlib.Path(keras_slayer.datasets.__file__).parent


def test_importing_registers_the_builders():
    assert {"nmnist", "saccade_mnist"} <= set(tfds.list_builders(with_community_datasets=False))
    assert tfds.builder_cls("nmnist").name == "nmnist"
    assert list(tfds.builder_cls("saccade_mnist").builder_configs) == ["full", "small"]


def test_tfds_is_needed_by_the_data_sets_only():
    code = """
import sys, keras_slayer.events
print([name for name in ("tensorflow_datasets", "mlxtend") if name in sys.modules])
sys.modules["tensorflow_datasets"] = None
import keras_slayer.datasets
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "[]"
    assert result.returncode == 1
    assert "ImportError: keras_slayer.datasets needs tensorflow_datasets" in result.stderr
    assert "pip install keras_slayer[datasets]" in result.stderr


@pytest.mark.parametrize("name", ["nmnist", "saccade_mnist"])
def test_metadata_is_beside_the_builder(name):
    for file in ("README.md", "CITATIONS.bib", "TAGS.txt"):
        assert (FOLDER / name / file).stat().st_size > 50
    metadata = tfds.builder_cls(name).get_metadata()
    assert "34 x 34" in metadata.description
    assert "@article{orchard2015converting" in metadata.citation
    assert "ml.task.image-classification" in metadata.tags
