"""A folder of packed recordings, each whole or absent, for any number of processes."""

import collections
import hashlib
import os
import pathlib
import secrets
import shutil
import tempfile
import threading
import time
import weakref

from keras_slayer.events.recordings import columns

# Marks a cache: no recordings are looked for in it (bford.info/cachedir).
TAG = "CACHEDIR.TAG"
_TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# Packed event recordings.\n"
# Recordings whose files stay mapped. Each has four; a process may have 65,530 (Linux' default).
_MOST_OPEN = 4_000
_UNFINISHED = ".packing-"
# What a process that was killed has left behind is removed after this many seconds.
_ABANDONED_AFTER = 86_400


def digest(*parts) -> str:
    """A name for these values, the same in every process."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


class PackedFolder:
    """Recordings in a folder, under the names `identity/state`.

    A recording is written under another name and renamed, so that it is whole or absent. Where
    several processes pack the same one, the first to finish wins, and all use its files.
    """

    def __init__(self, folder):
        self._given = folder and pathlib.Path(folder).expanduser().absolute()
        self._made = None
        self._lock = threading.Lock()
        self._open = collections.OrderedDict()

    @property
    def path(self) -> pathlib.Path:
        """The folder, which is made when it is first needed."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> pathlib.Path:
        folder = self._given
        folder.mkdir(parents=True, exist_ok=True)
        tag = folder / TAG
        if not tag.exists():
            tag.write_text(_TAG_TEXT)
        for entry in folder.glob(f"{_UNFINISHED}*"):
            if _age(entry) > _ABANDONED_AFTER:
                shutil.rmtree(entry, ignore_errors=True)
        return folder

    def find(self, identity: str, state: str) -> columns.Columns | None:
        """The recording, if it is there."""
        name = f"{identity}/{state}"
        with self._lock:
            if name in self._open:
                self._open.move_to_end(name)
                return self._open[name]
        found = columns.mapped(self.path / name)
        if found is not None:
            with self._lock:
                self._open[name] = found
                while len(self._open) > _MOST_OPEN:
                    self._open.popitem(last=False)
        return found

    def pack(self, identity: str, state: str, chunks) -> columns.Columns:
        """Writes a recording and returns it; other states of `identity` are removed."""
        target = self.path / identity / state
        temporary = self.path / f"{_UNFINISHED}{secrets.token_hex(8)}"
        temporary.mkdir()
        try:
            columns.write(temporary, chunks)
            if target.exists() and columns.mapped(target) is None:  # damaged
                shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(exist_ok=True)
            try:
                os.rename(temporary, target)
            except OSError:
                if not target.is_dir():  # not another process that was faster
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        for old in target.parent.iterdir():
            if old != target:
                shutil.rmtree(old, ignore_errors=True)
        found = self.find(identity, state)
        if found is None:
            raise OSError(f"the packed recording {target} was removed or damaged just now")
        return found


class TemporaryFolder(PackedFolder):
    """One that is made when it is needed, and removed with its object or at exit."""

    def __init__(self):
        super().__init__(None)

    def _make(self) -> pathlib.Path:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="keras_slayer-recordings-"))
        weakref.finalize(self, _remove, folder, os.getpid())
        return folder


def _remove(folder: pathlib.Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked process must not take it from its parent
        shutil.rmtree(folder, ignore_errors=True)


def _age(path: pathlib.Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # another process has just removed it
        return 0.0
