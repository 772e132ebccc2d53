"""How the examples end at a command line where a user's files are not as they should be."""

import sys

from keras_slayer.command_lines import status_of

# A file or folder that is missing, is something else, or cannot be written.
FILES = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)


def run(main):
    """Calls ``main``. Wrong files are an error of one line, Ctrl-C ends without a traceback."""
    if status := status_of(main, *FILES):
        sys.exit(status)
