"""A tfds builder that makes an event data set of an image data set, by simulated saccades."""

import hashlib
import re
import zlib

import numpy as np
import tensorflow_datasets as tfds

from keras_slayer import checks
from keras_slayer.datasets import sources
from keras_slayer.datasets.features import event_features
from keras_slayer.events.simulation import saccades
from keras_slayer.events.simulation.pictures import check_scene, sensor_size

_BATCH = 64
_SIDE_OF_8_BITS = 256


class SaccadesOf(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The images of a data set, each seen by an event camera that makes three saccades.

    Splits, labels and class names are those of the source. Each combination of source and
    arguments is a configuration with a name, and so with a folder, of its own.

    Args:
        source: builder of a data set whose supervised keys are an image and a label.
        size, amplitude, contrast, camera: see `events.saccades`.
        seed: of the noise; no two recordings have the same.
        data_dir: where the data set is prepared.

    Raises:
        ValueError: an argument that is not allowed, or a source without images and labels.
    """

    # To be raised when the simulation changes: what is prepared is found by the version.
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it

    def __init__(self, source, *, size, amplitude, contrast, camera, seed, data_dir=None):
        self._source = source
        image, self._label = _image_and_label(source)
        self._camera = check_scene(amplitude, contrast, camera)
        self._size = sensor_size(size, amplitude, _sizes(source, image, size))
        self._amplitude, self._contrast = float(amplitude), float(contrast)
        self._seed = checks.integer(seed, "seed", low=0, high=2**63 - 1)
        arguments = (self._size, self._amplitude, self._contrast, self._camera, self._seed)
        digest = hashlib.sha256(f"{_contents(source)} {arguments!r}".encode()).hexdigest()[:10]
        name = re.sub(r"\W+", "_", source.info.full_name)
        height, width = self._size
        config = tfds.core.BuilderConfig(
            name=f"{name}_{height}x{width}_{digest}",
            description=(
                f"{source.info.full_name} on {height} x {width} pixels, "
                f"amplitude={self._amplitude:g}, contrast={self._contrast:g}, "
                f"seed={self._seed}, {self._camera}"
            ),
        )
        # Of this object, so that tfds takes it as the default one and does not warn of it.
        self.BUILDER_CONFIGS = [config]
        super().__init__(data_dir=data_dir)

    def _info(self) -> tfds.core.DatasetInfo:
        events = dict(event_features().items())
        if max(self._size) > _SIDE_OF_8_BITS:
            wide = tfds.features.Tensor(shape=(None,), dtype=np.uint16)
            events |= {"x": wide, "y": wide}
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "An image data set as a simulated event camera sees it during the three saccades "
                f"of N-MNIST (Orchard et al. 2015). The images: {self._source.info.description}"
            ),
            features=tfds.features.FeaturesDict(
                {
                    "events": tfds.features.FeaturesDict(events),
                    "label": self._source.info.features[self._label],
                }
            ),
            supervised_keys=("events", "label"),
            citation=self._source.info.citation,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        prepare_source(self._source)
        return {split: self._generate_examples(split) for split in self._source.info.splits}

    def _generate_examples(self, split: str):
        source = self._source.as_dataset(split=split, as_supervised=True, shuffle_files=False)
        dtypes = {name: field.np_dtype for name, field in self.info.features["events"].items()}
        for batch, pairs in enumerate(_in_batches(tfds.as_numpy(source))):
            first = batch * _BATCH
            recordings = saccades(
                [image for image, _ in pairs],
                size=self._size,
                amplitude=self._amplitude,
                contrast=self._contrast,
                camera=self._camera,
                seed=[self._seed_of(split, first + i) for i in range(len(pairs))],
            )
            for i, (events, (_, label)) in enumerate(zip(recordings, pairs, strict=True)):
                fields = {name: getattr(events, name).astype(of) for name, of in dtypes.items()}
                yield first + i, {"events": fields, "label": label}

    def _seed_of(self, split: str, number: int) -> int:
        sequence = np.random.SeedSequence([self._seed, zlib.crc32(split.encode()), number])
        return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def prepare_source(source) -> None:
    """Downloads and prepares the image data set, if it is not there."""
    # An ImageFolder is read from where it is, and refuses to be prepared.
    if not isinstance(source, tfds.ImageFolder) and not source.is_prepared():
        source.download_and_prepare()


def check_splits(source, split) -> None:
    """ValueError for splits that the source does not have: before hours of simulation."""
    for one in [split] if isinstance(split, str) else split:
        if not isinstance(one, str):
            continue
        for name in re.sub(r"\[[^\]]*\]", "", one).split("+"):
            if name.strip() not in source.info.splits and name.strip() != "all":
                raise ValueError(
                    f"`split` must be of the splits of {source.info.full_name}, "
                    f"{sorted(source.info.splits)}. Received: split={split!r}"
                )


def _image_and_label(source) -> tuple[str, str]:
    """The names of both among the features of the source."""
    keys, features = source.info.supervised_keys, source.info.features
    if not (isinstance(keys, tuple) and len(keys) == 2 and all(isinstance(k, str) for k in keys)):
        raise ValueError(
            f"{source.info.full_name} must have an image and a label as supervised keys. "
            f"Received: supervised_keys={keys!r}"
        )
    image = features[keys[0]]
    if type(image) is not tfds.features.Image or image.shape[-1] not in (None, 1, 3):
        raise ValueError(
            f"{source.info.full_name} must have images of 1 or 3 channels. "
            f"Received: {keys[0]!r} of {image!r}"
        )
    return keys


def _sizes(source, image: str, size) -> set[tuple[int, int]]:
    shape = source.info.features[image].shape[:2]
    if size is None and None in shape:
        raise ValueError(
            f"The images of {source.info.full_name} differ in size. Give the size of the sensor: "
            "size=(height, width). Received: size=None"
        )
    return {tuple(shape)}


def _contents(source) -> str:
    """What tells the source from others of its name."""
    if isinstance(source, tfds.ImageFolder):
        return f"{source.info.full_name} {sources.fingerprint(source.data_dir)}"
    return source.info.full_name


def _in_batches(pairs):
    batch = []
    for pair in pairs:
        batch.append(pair)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
