"""Where the builders take their files from: a folder, an archive, or the download."""

import contextlib
import gzip
import hashlib
import pathlib
import tarfile
import zipfile
import zlib

import tensorflow_datasets as tfds

_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)
_READ_BYTES = 1 << 20
_SAMPLES, _SAMPLE_BYTES = 256, 1 << 14  # files of up to 4 MiB are read whole


def manual_dir(dl_manager):
    """The folder for files downloaded by hand; None where it is absent or empty."""
    try:
        return dl_manager.manual_dir
    except AssertionError:  # what tfds raises then
        return None


def download(
    dl_manager, url: str, *, name: str, files: str, instructions: str, extract: bool = True
):
    """Folder with the unpacked download; FileNotFoundError with `instructions` without one.

    With `extract=False`, the file as it was downloaded.
    """
    try:
        return (dl_manager.download_and_extract if extract else dl_manager.download)(url)
    # requests' errors are OSErrors.
    except (OSError, tfds.download.DownloadError) as error:
        raise FileNotFoundError(
            f"{name} could not be downloaded ({error}), and the folder for files downloaded "
            f"by hand, {dl_manager.download_dir / 'manual'} or manual_dir, does not hold "
            f"{files}.\n{instructions}"
        ) from error


def find_archive(folder, name: str, url: str):
    """The one file of this name in the unpacked download, or in a folder of it."""
    found = [*folder.glob(name), *folder.glob(f"*/{name}")]
    if len(found) != 1:
        raise ValueError(f"{url} should hold one {name}. Received: {len(found)} of them")
    return found[0]


def iter_files(dl_manager, source):
    """Yields `(path, file)` of everything in a folder or an archive, in a fixed order.

    Paths are relative and have forward slashes. An archive is not unpacked, and a file must be
    read before the next one is asked for.
    """
    source = _local(source)
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    yield path.relative_to(source).as_posix(), file
    elif source.name.endswith(".tar.gz"):
        # iter_archive stops at tar's end mark, before gzip's checksum of the whole.
        with gzip.open(source) as unzipped:
            with tarfile.open(fileobj=unzipped, mode="r|") as archive:
                for member in archive:
                    if member.isfile():
                        yield member.name, archive.extractfile(member)
            while unzipped.read(_READ_BYTES):
                pass
    elif isinstance(source, pathlib.Path):
        with zipfile.ZipFile(source) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    with archive.open(member) as file:
                        yield member.filename, file
    else:
        yield from dl_manager.iter_archive(source)


def _local(source):
    """A plain path to what is on this machine: TensorFlow's files fail on an empty zip."""
    path = pathlib.Path(source)
    return path if path.exists() else source


def read_file(file, source: str, most_bytes: int) -> bytes:
    """All of a file of an archive; ValueError with its name where it is longer than `most_bytes`.

    A few kilobytes of a zip may unpack to gigabytes. No more than `most_bytes` are unpacked here.
    """
    data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(
            f"{source}: a recording may have {most_bytes:,} bytes. Received: a longer file, which "
            f"goes on at byte {most_bytes}"
        )
    return data


def check_recording(key: str, events, source: str, seen: set[str]) -> None:
    """ValueError for a recording without events, or one that is there twice.

    Args:
        key: names a recording in its split.
        events: its events.
        source: archive and path, for the error.
        seen: the keys so far; `key` is added.
    """
    if not len(events):
        raise ValueError(f"{source}: a recording must have events. Received: none, at byte 0")
    if key in seen:
        raise ValueError(f"{source}: the recording {key} is in the archive twice")
    seen.add(key)


@contextlib.contextmanager
def naming_damage(source):
    """Turns the errors of a damaged archive into a ValueError that names it."""
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(f"{source} is damaged or incomplete: {error}") from error


def fingerprint(*sources) -> str:
    """A hash that tells one set of recordings from another, without reading them.

    Of a zip, the names, sizes and CRCs in its directory; of an HDF5 file, its size and samples of
    its bytes; of another archive, its size and its last bytes (gzip ends with a CRC of the whole);
    of a folder, names and sizes.
    """
    digest = hashlib.sha256()
    for source in map(_local, sources):
        for line in _contents(source):
            digest.update(f"{line}\n".encode())
    return digest.hexdigest()[:16]


def _contents(source: pathlib.Path):
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file():
                yield f"{path.relative_to(source).as_posix()} {path.stat().st_size}"
    elif source.suffix == ".zip":
        with naming_damage(source), source.open("rb") as file, zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                yield f"{entry.filename} {entry.file_size} {entry.CRC}"
    elif source.suffix == ".h5":
        size = source.stat().st_size
        with source.open("rb") as file:
            for start in range(0, size, max(_SAMPLE_BYTES, size // _SAMPLES)):
                file.seek(start)
                yield f"{start} of {size}: {hashlib.sha256(file.read(_SAMPLE_BYTES)).hexdigest()}"
    else:
        size = source.stat().st_size
        with source.open("rb") as file:
            file.seek(max(size - 8, 0))
            yield f"{size} {file.read().hex()}"
