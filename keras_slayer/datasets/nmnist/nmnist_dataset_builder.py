"""tfds builder of N-MNIST, from the download or from Train.zip and Test.zip in `manual_dir`."""

import re

import tensorflow_datasets as tfds

from keras_slayer.datasets import sources
from keras_slayer.datasets.features import encode, event_features
from keras_slayer.datasets.record import REAL, DatasetRecord
from keras_slayer.events.files import decode_nmnist

SENSOR_SHAPE = (34, 34, 2)
URL = "https://prod-dcd-datasets-cache-zipfiles.s3.eu-west-1.amazonaws.com/468j46mzdv-1.zip"
ARCHIVES = {"train": "Train.zip", "test": "Test.zip"}

# Those of 300 ms have up to 8,000 events of 5 bytes; longer files are damaged or something else.
MOST_BYTES = 5_000_000

_RECORDING = re.compile(r"(?:^|/)(?P<key>(?P<label>[0-9])/[^/]+)\.bin$")

_MANUAL = f"""\
Download {URL}
(1178661068 bytes, sha256 e6964c15ef4013c91127790ea570d46200778262b9f5f8acd5c1366099d8e351;
also on https://data.mendeley.com/datasets/468j46mzdv/1) and unpack from it
Train.zip (md5 20959b8e626244a1b502305a9e6e2031) and
Test.zip (md5 69ca8762b2fe404d9b9bad1103e97832) into the folder."""

RECORD = DatasetRecord(
    name="nmnist",
    title="N-MNIST",
    sensor_shape=SENSOR_SHAPE,
    classes=10,
    train=60_000,
    test=10_000,
    duration="300 ms",
    licence="CC BY-SA 4.0",
    homepage="https://www.garrickorchard.com/datasets/n-mnist",
    needs="download, or two archives: 1.2 GB",
    figure="99.2 % (Shrestha and Orchard 2018)",
    checked_on=REAL,
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """N-MNIST: 60,000 + 10,000 recordings of 34 x 34 pixels, about 300 ms (Orchard et al. 2015).

    Train.zip and Test.zip are taken from tfds' `manual_dir` if they are there, and downloaded
    otherwise. Archives of the same layout (`Train/<label>/<id>.bin`) with fewer recordings work,
    too.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it
    MANUAL_DOWNLOAD_INSTRUCTIONS = _MANUAL
    RECORDS = (RECORD,)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {"events": event_features(), "label": tfds.features.ClassLabel(num_classes=10)}
            ),
            supervised_keys=("events", "label"),
            homepage=RECORD.homepage,
            license=RECORD.licence,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        archives = _manual_archives(dl_manager) or self._download_archives(dl_manager)
        if sources.fingerprint(archives["train"]) == sources.fingerprint(archives["test"]):
            raise ValueError(
                f"{archives['train']} and {archives['test']} are the same archive: a network would "
                "be tested on what it was trained on"
            )
        return {
            split: self._generate_examples(dl_manager, path) for split, path in archives.items()
        }

    def _generate_examples(self, dl_manager, archive):
        seen = set()
        with sources.naming_damage(archive):
            for path, file in sources.iter_files(dl_manager, archive):
                # What macOS and editors put beside the files has names that begin with a dot.
                if not path.endswith(".bin") or path.split("/")[-1].startswith("."):
                    continue
                source = f"{archive}/{path}"
                match = _RECORDING.search(path)
                if match is None:
                    raise ValueError(
                        f"{source}: a recording must be <label>/<id>.bin with a label from 0 to 9"
                    )
                events = decode_nmnist(
                    sources.read_file(file, source, MOST_BYTES),
                    source=source,
                    sensor_shape=SENSOR_SHAPE,
                    ordered=True,
                )
                sources.check_recording(match["key"], events, source, seen)
                yield (
                    match["key"],
                    {"events": encode(events, source), "label": int(match["label"])},
                )
        if not seen:
            raise ValueError(f"{archive}: no recordings of the form <label>/<id>.bin in it")

    def _download_archives(self, dl_manager):
        folder = sources.download(
            dl_manager, URL, name="N-MNIST", files="Train.zip and Test.zip", instructions=_MANUAL
        )
        return {split: sources.find_archive(folder, name, URL) for split, name in ARCHIVES.items()}


def _manual_archives(dl_manager):
    """The two archives in `manual_dir`; None if it has neither."""
    folder = sources.manual_dir(dl_manager)
    if folder is None:
        return None
    archives = {split: folder / name for split, name in ARCHIVES.items()}
    missing = [path.name for path in archives.values() if not path.exists()]
    if len(missing) == 1:
        raise FileNotFoundError(f"{folder} lacks {missing[0]}.\n{_MANUAL}")
    return None if missing else archives
