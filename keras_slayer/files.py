"""Writing files that appear whole or not at all, and replace nothing but files; reading archives
that may be damaged."""

from __future__ import annotations

import os
import secrets
import stat
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What zipfile and NumPy raise for damaged archives and arrays that are in memory.
DAMAGED = (
    EOFError, KeyError, OverflowError, RuntimeError, SyntaxError, TypeError, ValueError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def target_of(path: str | os.PathLike) -> Path:
    """The file that writing to ``path`` would replace or make; links are followed.

    Raises:
        ValueError: ``path`` is, or links to, something other than a regular file or a new name in
            an existing folder.
    """
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        if target.parent.is_dir():
            return target
        problem = f"there is no folder {str(target.parent)!r}"
    except NotADirectoryError:
        problem = "something before the last name is no folder"
    except OSError as error:  # links in a circle, names that are too long, no permission
        problem = error.strerror
    else:
        if stat.S_ISREG(mode):
            return target
        kind = next((name for test, name in KINDS if test(mode)), "no file")
        problem = f"it is {kind}" if target == Path(path).absolute() else f"it links to {kind}"
    raise ValueError(
        "path must be a regular file, which is replaced, or a new name in an existing folder. "
        f"Received: path={str(path)!r}: {problem}"
    )


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary name beside the target; what is there at the end becomes ``path``.

    The temporary name has the suffix of ``path``, and no two writers get the same. If the block
    fails, the temporary file is removed and ``path`` is what it was.

    Raises:
        ValueError: see ``target_of``.
        OSError: no permission, a full disk; it names ``path``.
    """
    target = target_of(path)
    temporary = target.with_name(f".{secrets.token_hex(8)}{Path(path).suffix}")
    try:
        yield temporary
        if target.exists():  # its permissions are the user's choice
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except OSError as error:
        if error.filename != str(temporary):
            raise
        # Users do not know the temporary name. The errno makes it the same kind of error.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike, data: bytes) -> None:
    """Writes ``data`` to ``path``, as ``writing`` does.

    Raises:
        ValueError: see ``target_of``.
    """
    with writing(path) as temporary, open(temporary, "xb") as file:
        file.write(data)
