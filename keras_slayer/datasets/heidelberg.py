"""The Heidelberg spiking data sets: their HDF5 files, and what the two builders share.

A file has, as `zenkelab.org/resources/spiking-heidelberg-datasets-shd` describes it::

    spikes/times     seconds, one vector per recording
    spikes/units     channels 0 to 699, likewise
    labels           one number per recording
    extra/keys       the names of the classes
    extra/speaker    one number per recording
"""

import contextlib
import gzip
import hashlib
import pathlib
import shutil
import tempfile
import zipfile

import numpy as np
import tensorflow_datasets as tfds

from keras_slayer.datasets import sources
from keras_slayer.datasets.spike_trains import channel_features, encode_channels
from keras_slayer.events.stream import Events

CHANNELS = 700
ADDRESS = "https://zenkelab.org/datasets/"
FORMS = ("", ".gz", ".zip")  # of a file, as published

_MOST_SECONDS = 2**31 / 1e6  # times are stored as microseconds in 32 bits
_ZIP, _GZIP = b"PK", b"\x1f\x8b"


HOMEPAGE = "https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/"
LICENCE = "CC BY 4.0"


class HeidelbergBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A data set of HDF5 files, one per split; a subclass says which."""

    FILES: dict[str, str]  # split: file
    MD5: dict[str, str]  # file: md5 of its .zip
    CLASSES: int
    TITLE: str
    WITH_SPEAKER = False

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "events": channel_features(),
            "label": tfds.features.ClassLabel(num_classes=self.CLASSES),
        }
        if self.WITH_SPEAKER:
            features["speaker"] = tfds.features.Scalar(np.int64)
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("events", "label"),
            homepage=HOMEPAGE,
            license=LICENCE,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        folder = sources.manual_dir(dl_manager)
        paths = None if folder is None else self.find_source(folder)
        paths = paths or self._download(dl_manager)
        prints = {}
        for path in paths:
            same = prints.setdefault(sources.fingerprint(path), path)
            if same is not path:
                raise ValueError(
                    f"{same} and {path} are the same file: a network would be tested on what it "
                    "was trained on"
                )
        scratch = pathlib.Path(dl_manager.download_dir)
        return {
            split: self._generate_examples(path, name, scratch)
            for (split, name), path in zip(self.FILES.items(), paths, strict=True)
        }

    def _generate_examples(self, path, name, scratch):
        with _opened(path, name, scratch) as file:
            times, units, labels, keys, speaker = _datasets(file, path, self.WITH_SPEAKER)
            self._set_names(_texts(keys), path)
            for index in range(len(labels)):
                where = f"{path}, recording {index}"
                label = int(labels[index])
                if not 0 <= label < self.CLASSES:
                    raise ValueError(
                        f"{where}: the label must be 0 to {self.CLASSES - 1}. Received: {label}"
                    )
                with _naming_damage(where):
                    recording = times[index], units[index]
                example = {"events": encode_channels(_events(*recording, where)), "label": label}
                if self.WITH_SPEAKER:
                    example["speaker"] = int(speaker[index])
                yield index, example

    def _set_names(self, names, path):
        label = self.info.features["label"]
        if len(names) != self.CLASSES or len(set(names)) != len(names):
            raise ValueError(
                f"{path}: extra/keys must name {self.CLASSES} classes, each once. Received: {names}"
            )
        unnamed = [str(number) for number in range(self.CLASSES)]
        if label.names not in (unnamed, names):
            raise ValueError(
                f"{path}: the classes must be those of the other files, {label.names}. "
                f"Received: {names}"
            )
        label.names = names

    def _download(self, dl_manager):
        paths = []
        for name in self.FILES.values():
            url = f"{ADDRESS}{name}.zip"
            path = sources.download(
                dl_manager,
                url,
                name=self.TITLE,
                files=" and ".join(self.FILES.values()),
                instructions=self.MANUAL_DOWNLOAD_INSTRUCTIONS,
                extract=False,
            )
            check_md5(path, self.MD5[name], url)
            paths.append(pathlib.Path(path))
        return paths

    @classmethod
    def find_source(cls, folder) -> list[pathlib.Path] | None:
        """The files in a folder, unpacked or not, in the order of `FILES`; None without any.

        Raises:
            FileNotFoundError: some are there, others are not.
        """
        folder, found = pathlib.Path(folder), []
        for name in cls.FILES.values():
            forms = (folder / f"{name}{form}" for form in FORMS)
            found.append(next((path for path in forms if path.is_file()), None))
        if not any(found):
            return None
        missing = [name for name, path in zip(cls.FILES.values(), found, strict=True) if not path]
        if missing:
            raise FileNotFoundError(
                f"{folder} lacks {', '.join(missing)}.\n{cls.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        return found


def instructions(files: dict[str, str], md5: dict[str, str]) -> str:
    """What to fetch by hand, for `MANUAL_DOWNLOAD_INSTRUCTIONS`."""
    lines = [f"{ADDRESS}{name}.zip (md5 {md5[name]})" for name in files.values()]
    return (
        "Download\n" + "\n".join(lines) + "\n"
        "(also on https://compneuro.net/datasets/) into the folder. The .h5.gz files that are "
        "there, and the unpacked .h5 files, work too."
    )


def check_md5(path, md5: str, url: str) -> None:
    """ValueError unless the file has this md5."""
    with pathlib.Path(path).open("rb") as file:
        received = hashlib.file_digest(file, "md5").hexdigest()
    if received != md5:
        raise ValueError(
            f"{path}, from {url}, must have the md5 {md5}: delete it and try again. "
            f"Received: {received}"
        )


@contextlib.contextmanager
def _opened(path, name, scratch):
    """The HDF5 file; one that is packed is unpacked into `scratch` for as long."""
    import h5py

    with contextlib.ExitStack() as stack:
        with path.open("rb") as file:
            start = file.read(2)
        unpacked = path
        if start in (_ZIP, _GZIP):
            scratch.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=scratch))
            unpacked = pathlib.Path(folder) / name
            with sources.naming_damage(path), unpacked.open("wb") as target:
                _unpack(path, name, start == _ZIP, target)
        with _naming_damage(path):
            file = stack.enter_context(h5py.File(unpacked, "r"))
        yield file


def _unpack(path, name, zipped, target):
    if not zipped:
        with gzip.open(path) as source:
            shutil.copyfileobj(source, target)
        return
    with zipfile.ZipFile(path) as archive:
        found = [m for m in archive.namelist() if pathlib.PurePosixPath(m).name == name]
        if len(found) != 1:
            raise ValueError(f"{path} should hold one {name}. Received: {len(found)} of them")
        with archive.open(found[0]) as source:
            shutil.copyfileobj(source, target)


def _datasets(file, path, with_speaker):
    """Times, units, labels, keys and speakers; the last are None unless they are asked for."""
    names = ["spikes/times", "spikes/units", "labels", "extra/keys"]
    names += ["extra/speaker"] * with_speaker
    for name in names:
        if name not in file:
            raise ValueError(
                f"{path}: the file must have the data set {name}. Received: {sorted(file)}"
            )
    times, units, labels, keys, *speaker = (file[name] for name in names)
    sizes = {name: len(file[name]) for name in names if name != "extra/keys"}
    if len(set(sizes.values())) != 1 or not len(labels):
        raise ValueError(
            f"{path}: the data sets must have one entry per recording. Received: {sizes}"
        )
    with _naming_damage(path):
        return times, units, labels[:], keys[:], speaker[0][:] if speaker else None


def _events(times, units, where) -> Events:
    """The spikes of one recording in order of time."""
    times, units = np.asarray(times, np.float64), np.asarray(units)
    if times.shape != units.shape:
        raise ValueError(
            f"{where}: there must be as many times as units. "
            f"Received: {times.size} times, {units.size} units"
        )
    wrong = ~((times >= 0) & (times < _MOST_SECONDS))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(
            f"{where}: times must be 0 to {_MOST_SECONDS:.0f} s. "
            f"Received: {times[first]} s of spike {first}"
        )
    off = (units < 0) | (units >= CHANNELS)
    if off.any():
        first = int(np.argmax(off))
        raise ValueError(
            f"{where}: units must be 0 to {CHANNELS - 1}. Received: {units[first]} of spike {first}"
        )
    events = Events(x=units, t=np.rint(times * 1e6).astype(np.int64))
    return events.sorted() if (np.diff(events.t) < 0).any() else events


def _texts(keys) -> list[str]:
    return [key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key) for key in keys]


@contextlib.contextmanager
def _naming_damage(where):
    """Turns the errors of a damaged HDF5 file into a ValueError that names it."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{where}: damaged, or no HDF5 file: {error}") from error
