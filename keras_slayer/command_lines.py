"""How the command lines of this package end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable


def status_of(work: Callable[[], object], *errors: type[Exception]) -> int:
    """Calls `work`. Returns 0, or 1 where it raises one of `errors`, whose text it prints.

    Ctrl-C, and a reader of the output that leaves, as `| head` does, end without a word: 128 + the
    number of the signal, as in a shell.
    """
    try:
        work()
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes standard output once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except errors as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0
