"""The pages of data sets: that they are current, and that their code reads what they describe."""

import importlib.util
import pathlib
import re
import shutil
import zipfile

import pytest
import tensorflow_datasets as tfds
import test_asl_dvs
import test_cifar10_dvs
import test_dvs_lip
import test_heidelberg
import test_n_cars

from keras_slayer import datasets

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
DUMMY = pathlib.Path(__file__).parent / "dummy_data"
NAMES = list(dict.fromkeys(r.name.partition("/")[0] for r in datasets.available(show=False)))
SMALL = {"saccade_mnist", "synthetic_gestures", "synthetic_words"}


def page(name: str) -> str:
    return (DOCS / "datasets" / f"{name}.md").read_text()


@pytest.fixture(scope="module")
def made():
    """Pages as the script would write them now."""
    path = DOCS / "site" / "dataset_pages.py"
    spec = importlib.util.spec_from_file_location("dataset_pages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


def test_there_is_a_page_for_each_data_set(made):
    assert sorted(path.stem for path in (DOCS / "datasets").iterdir()) == sorted(NAMES)
    assert list(made) == NAMES
    listed = re.findall(r"^ +- datasets/(\w+)\.md$", (DOCS.parent / "mkdocs.yml").read_text(), re.M)
    assert listed == NAMES
    index = (DOCS / "datasets.md").read_text()
    assert all(f"[`{name}" in index and f"(datasets/{name}.md)" in index for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_pages_are_current(name, made):
    """A builder that says something new, or a changed part: python docs/site/dataset_pages.py."""
    assert page(name) == made[name]


@pytest.mark.parametrize("name", NAMES)
def test_pages_say_what_a_reader_must_know(name):
    text = page(name)
    (record, *_) = (r for r in datasets.available(show=False) if r.name.startswith(name))
    for fact in (record.licence, record.duration, record.needs, f"{record.train:,} to train"):
        assert f" {fact}" in text
    assert ("never the data set itself" in text) == (record.checked_on == "made-up files")
    assert ("![" in text) == (record.checked_on != "made-up files"), "no picture is invented"
    assert ("was at hand, so there is no picture" in text) == ("![" not in text)
    assert re.search(r"```bibtex\n@\w+\{", text)
    prose = re.sub(r"(?s)```.*?```|`[^`]*`", "", text)
    assert not re.search(r"<\w+>", prose), "a browser takes it for a tag"


def lips(folder):
    for path, events in test_dvs_lip.RECORDINGS.items():
        events = [(t, 64, 64, p) for t, _, _, p in events]  # in the middle, which the page cuts out
        file = folder / "DVS-Lip" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(test_dvs_lip.npy(events))


def cars(folder):
    for split, label, name, events in test_n_cars.RECORDINGS:
        with zipfile.ZipFile(folder / f"n-cars_{split}.zip", "a") as archive:
            archive.writestr(f"{split}/{label}/{name}_td.dat", test_n_cars.dat(events))


def commands(folder):
    for seed, split in enumerate(("train", "valid", "test")):
        recordings = test_heidelberg.random_recordings(3, classes=35, seed=seed)
        test_heidelberg.write(
            folder / f"ssc_{split}.h5", recordings, classes=test_heidelberg.COMMANDS
        )


def dummy(name):
    return lambda folder: shutil.copytree(DUMMY / name, folder, dirs_exist_ok=True)


WRITERS = {
    "nmnist": dummy("nmnist"),
    "n_caltech101": dummy("n_caltech101"),
    "dvs_gesture": dummy("dvs_gesture"),
    "cifar10_dvs": lambda folder: test_cifar10_dvs.write(folder, archives=True),
    "n_cars": cars,
    "asl_dvs": lambda folder: test_asl_dvs.write(folder, archives=True),
    "dvs_lip": lips,
    "shd": test_heidelberg.write_shd,
    "ssc": commands,
}


@pytest.mark.parametrize("name", NAMES)
def test_code_of_the_pages_runs(name, tmp_path, monkeypatch, set_data_dir, no_network):
    """On the files that the tests of the builder are made with: a folder as the page asks for."""
    monkeypatch.chdir(tmp_path)
    set_data_dir(tmp_path / "prepared")
    if name in SMALL:
        unit = "word" if name == "synthetic_words" else "class"
        for config in tfds.builder_cls(name).BUILDER_CONFIGS:
            monkeypatch.setattr(config, f"train_per_{unit}", 1)
            monkeypatch.setattr(config, f"test_per_{unit}", 1)
    else:
        (tmp_path / "folder").mkdir()
        WRITERS[name](tmp_path / "folder")
    (block,) = re.findall(r"```python\n(.*?)```", page(name), flags=re.DOTALL)
    namespace = {}
    exec(compile(block, name, "exec"), namespace)
    assert namespace["spikes"].numpy().sum() > 0
    assert not no_network
    assert list((tmp_path / "prepared").rglob(f"{name}-train.tfrecord*")), "not in your own folder"
