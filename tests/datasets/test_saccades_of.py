"""Image data sets become event data sets, through tfds; the images are made here."""

import random

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_slayer as ks
from keras_slayer.datasets import saccades_builder, saccades_of
from keras_slayer.events import EventCamera, Events, saccades, spike_pipeline

NAMES = ["bar", "square", "cross"]
CLEAN = EventCamera.clean()


def picture(label, number, side=12, channels=3):
    rng = np.random.default_rng([label, number, side])
    image = np.full((side, side, channels), 40, np.uint8)
    a, b = rng.integers(1, side - 6, 2)
    image[a : a + 2, b : b + 6] = 200
    if label == 1:
        image[a : a + 6, b : b + 6] = 200
    elif label == 2:
        image[a : a + 6, b + 2 : b + 4] = 200
    return image


class TinyImages(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Nine images of three classes to train, three to test; of one size or of two."""

    VERSION = tfds.core.Version("1.2.0")

    def __init__(self, different=False, shape=(12, 12, 3), keys=("image", "label"), **kwargs):
        self.different, self.shape, self.keys = different, shape, keys
        super().__init__(**kwargs)

    def _info(self):
        shape = (None, None, self.shape[-1]) if self.different else self.shape
        return tfds.core.DatasetInfo(
            builder=self,
            description="Tiny images.",
            citation="@misc{tiny}",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=shape),
                    "label": tfds.features.ClassLabel(names=NAMES),
                    "id": np.int64,
                }
            ),
            supervised_keys=self.keys,
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0, 9), "test": self._generate_examples(9, 12)}

    def _generate_examples(self, start, stop):
        for i in range(start, stop):
            side = 14 if self.different and i % 2 else 12
            image = picture(i % 3, i, side, self.shape[-1])
            yield i, {"image": image, "label": i % 3, "id": i}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(scope="module")
def source(data_dir):
    return TinyImages(data_dir=data_dir)


def recordings(data):
    return [(Events.from_dict(e), int(label)) for e, label in tfds.as_numpy(data)]


def test_splits_labels_and_class_names_are_the_source_s(source, data_dir):
    (train, test), info = saccades_of(source, data_dir=data_dir, with_info=True)
    assert (len(train), len(test)) == (9, 3)
    assert info.features["label"].names == NAMES
    assert "Tiny images" in info.description and info.citation == "@misc{tiny}"
    assert "tiny_images/1.2.0 on 18 x 18 pixels" in info.config_description
    spec = train.element_spec[0]
    assert {name: field.dtype.name for name, field in spec.items()} == {
        "x": "uint8",
        "y": "uint8",
        "t": "int32",
        "polarity": "bool",
    }
    # Image and label belong together: the events are those of the image of this label.
    pairs = {
        split: list(tfds.as_numpy(source.as_dataset(split=split, as_supervised=True)))
        for split in ("train", "test")
    }
    for split, data in (("train", train), ("test", test)):
        ideal = {i: saccades([image], camera=CLEAN)[0] for i, (image, _) in enumerate(pairs[split])}
        for events, label in recordings(data):
            places = events.y.astype(int) * 18 + events.x
            counts = np.bincount(places, minlength=324)
            alike = [
                np.corrcoef(counts, np.bincount(e.y.astype(int) * 18 + e.x, minlength=324))[0, 1]
                for e in ideal.values()
            ]
            assert max(alike) > 0.9 and pairs[split][int(np.argmax(alike))][1] == label


def test_made_once_and_the_same_every_time(source, data_dir, tmp_path, monkeypatch):
    made = recordings(saccades_of(source, data_dir=data_dir, split="train"))
    state = random.getstate()  # the seeds of weights
    elsewhere = recordings(saccades_of(source, data_dir=tmp_path, split="train"))
    assert random.getstate() == state
    other = recordings(saccades_of(source, data_dir=data_dir, split="train", seed=1))
    assert made == elsewhere != other

    def fail(*args, **kwargs):
        raise AssertionError("simulated again")

    monkeypatch.setattr(saccades_builder, "saccades", fail)
    assert recordings(saccades_of(source, data_dir=data_dir, split="train")) == made
    assert len(saccades_of(source, data_dir=data_dir, split="train[:4]")) == 4
    with pytest.raises(AssertionError, match="simulated again"):
        saccades_of(source, data_dir=data_dir, split="train", amplitude=3.0)


def test_every_recording_has_noise_of_its_own(source, tmp_path, monkeypatch):
    seeds = []

    def simulate(images, *, seed, **options):
        seeds.extend(seed)
        return saccades(images, seed=seed, **options)

    monkeypatch.setattr(saccades_builder, "saccades", simulate)
    monkeypatch.setattr(saccades_builder, "_BATCH", 4)  # 9 images are 3 batches
    train, test = saccades_of(source, data_dir=tmp_path)
    assert len(seeds) == len(set(seeds)) == len(train) + len(test) == 12


def test_arguments_go_to_the_simulation(source, data_dir):
    options = {"size": (20, 300), "amplitude": 3.0, "contrast": 8.0, "camera": CLEAN}
    test = saccades_of(source, data_dir=data_dir, split="test", **options)
    assert test.element_spec[0]["x"].dtype == "uint16"  # 300 columns
    images = [image for image, _ in tfds.as_numpy(source.as_dataset("test", as_supervised=True))]
    # Without noise, a recording depends on its picture only.
    expected = saccades(images, **options)
    found = [events for events, _ in recordings(test)]
    assert sorted(found, key=len) == sorted(expected, key=len)  # tfds writes in another order
    assert max(events.x.max() for events in expected) > 150


def test_image_folders_and_images_of_different_sizes(tmp_path):
    for split, numbers in (("train", (0, 1, 2)), ("test", (3, 4, 5))):
        for number in numbers:
            folder = tmp_path / "images" / split / NAMES[number % 3]
            folder.mkdir(parents=True)
            image = picture(number % 3, number, 12 + number)
            keras.utils.save_img(folder / f"{number}.png", image, scale=False)
    folder = tfds.ImageFolder(str(tmp_path / "images"))
    (train, test), info = saccades_of(
        folder, size=(20, 20), data_dir=tmp_path / "prepared", with_info=True
    )
    assert (len(train), len(test)) == (3, 3)
    assert info.features["label"].names == sorted(NAMES)
    assert sorted(label for _, label in recordings(test)) == [0, 1, 2]
    with pytest.raises(ValueError, match=r"differ in size.*size=\(height, width\)"):
        saccades_of(folder, data_dir=tmp_path)
    # The same folder with another image is another data set.
    assert len([*(tmp_path / "prepared").glob("saccades_of/image_folder*")]) == 1
    keras.utils.save_img(
        tmp_path / "images" / "train" / "bar" / "9.png", picture(0, 9), scale=False
    )
    folder = tfds.ImageFolder(str(tmp_path / "images"))
    assert len(saccades_of(folder, size=(20, 20), data_dir=tmp_path / "prepared")[0]) == 4
    assert len([*(tmp_path / "prepared").glob("saccades_of/image_folder*")]) == 2


def test_goes_to_the_pipeline_and_a_network(source, data_dir):
    train = saccades_of(source, data_dir=data_dir, split="train")
    batches = spike_pipeline(train, sensor_shape=(18, 18, 2), steps=31, dt=10.0, batch_size=3)
    spikes, labels = next(iter(batches))
    assert spikes.shape == (3, 31, 18, 18, 2) and 0 < spikes.numpy().mean() < 0.2
    model = keras.Sequential([ks.Flatten(), ks.SpikingDense(3, ks.SRM(dt=10.0))])
    assert ks.SpikeMaxLoss()(labels, model(spikes)) > 0


def test_by_name(data_dir, monkeypatch):
    """A registered data set, found and prepared in the same folder."""
    asked = []

    def builder(name, data_dir=None):
        asked.append((name, data_dir))
        return TinyImages(data_dir=data_dir)

    monkeypatch.setattr(tfds, "builder", builder)
    assert len(saccades_of("tiny_images", split="test", data_dir=data_dir)) == 3
    assert asked == [("tiny_images", data_dir)]


@pytest.mark.parametrize(
    ("source_options", "options", "message"),
    [
        (
            {},
            {"split": "validation"},
            r"splits of tiny_images/1.2.0, \['test', 'train'\]. Received",
        ),
        ({}, {"split": ["train[:3]+valid"]}, r"Received: split=\['train\[:3\]\+valid'\]"),
        ({}, {"size": (4, 20)}, r"each from 7 .* Received: size=\(4, 20\)"),
        ({}, {"amplitude": -1}, "amplitude must be .* Received: amplitude=-1"),
        ({}, {"contrast": 0.1}, "Received: contrast=0.1"),
        ({}, {"camera": "noisy"}, "`camera` must be an EventCamera .* Received: camera='noisy'"),
        ({}, {"seed": "x"}, "seed must be an integer .* Received: seed='x'"),
        ({"different": True}, {}, "differ in size. .* Received: size=None"),
        ({"shape": (12, 12, 4)}, {}, "images of 1 or 3 channels. Received: 'image' of Image"),
        ({"keys": None}, {}, "an image and a label as supervised keys. Received: .*=None"),
        ({"keys": ("id", "label")}, {}, "images of 1 or 3 channels. Received: 'id' of"),
    ],
)
def test_wrong_arguments_of_saccades_of(source_options, options, message, data_dir, tmp_path):
    where = data_dir if not source_options else tmp_path
    with pytest.raises(ValueError, match=message):
        saccades_of(TinyImages(data_dir=where, **source_options), data_dir=tmp_path, **options)
    assert not (tmp_path / "saccades_of").exists()
