"""How the examples end at a command line where a user's files are not as they should be."""

import sys

# A file or folder that is missing, is something else, or cannot be written.
FILES = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)
INTERRUPTED = 130  # as shells have it: 128 and the number of SIGINT


def run(main):
    """Calls ``main``. Wrong files are an error of one line, Ctrl-C ends without a traceback."""
    try:
        main()
    except FILES as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
