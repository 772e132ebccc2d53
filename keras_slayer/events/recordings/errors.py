"""Errors of single recordings, and the warnings of a set of them."""

import contextlib
import struct
import zipfile
import zlib

# What readers of damaged, foreign or missing files raise.
_READ_ERRORS = (
    OSError,
    ValueError,
    EOFError,
    LookupError,
    ArithmeticError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
# What a reader or a function with a mistake raises: named, and never skipped.
MISTAKES = (TypeError, AttributeError)


class RecordingsWarning(UserWarning):
    """Something about a set of recordings that was found, skipped or is missing."""


class RecordingError(ValueError):
    """A recording that cannot be read; the message names it."""


@contextlib.contextmanager
def naming(number: int, name: str | None):
    """Errors in the block name the recording: its number in the set, and its file."""
    try:
        yield
    except RecordingError:
        raise
    except (*_READ_ERRORS, *MISTAKES) as error:
        where = f"Recording {number} ({name})" if name else f"Recording {number}"
        text = str(error).removeprefix(f"{name}: ") or type(error).__name__
        raise RecordingError(f"{where}: {text}") from error
