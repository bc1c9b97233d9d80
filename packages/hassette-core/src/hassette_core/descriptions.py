"""Describe exceptions in one line, for the log, the records and the terminal."""

import re
import traceback
from pathlib import Path

MAX_DESCRIPTION = 2_000
"""Maximum number of characters of a description, after its secrets have been masked."""
MAX_UNMASKED = 18_000
"""Maximum number of characters of an error's message in `describe_error`. The caller masks secrets and then cuts the
text (`hassette_executor.redact_and_cut`), because half of a secret would not be masked."""
_UP_TO_SEPARATOR = re.compile(r".*[^\w.~+/=%-]")
"""A text up to its last character that is not part of a token, such as a JSON Web Token or base64."""


def describe_error(error: BaseException, *, with_type: bool = True) -> str:
    """Return an error in one line. The line may contain secrets, and up to `MAX_UNMASKED` characters of the message.

    Example:
        >>> describe_error(ValueError("no such lamp"))
        'ValueError: no such lamp'

    Args:
        error: The error.
        with_type: False leaves out the type of the error, unless the error has no message.
    """
    message = _message_of(error)
    if not with_type and isinstance(error, OSError) and error.strerror:
        # Leave out "[Errno 98]", because it does not help the reader of the message.
        message = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    name = type(error).__name__
    if not message:
        return name
    return f"{name}: {message}" if with_type else message


def where_raised(error: BaseException) -> str:
    """Return the innermost line of an exception, such as ``(line 7 of /config/apps/hall.py)``, after a space.

    Empty if the exception has no traceback.
    """
    text = ""
    for frame, line in traceback.walk_tb(error.__traceback__):  # extract_tb would read the source code of each frame
        text = f" (line {line} of {frame.f_code.co_filename})"
    return text


def line_in(directory: Path, error: BaseException) -> tuple[str, int]:
    """Return file and line of the innermost call of an exception in a directory. Without such a call, the line is 0."""
    found = "", 0
    for frame, line in traceback.walk_tb(error.__traceback__):
        if directory in Path(frame.f_code.co_filename).parents:
            found = frame.f_code.co_filename, line
    return found


def _message_of(error: BaseException) -> str:
    try:
        return _in_one_line(str(error))
    except BaseException as broken:  # noqa: BLE001  __str__ may be code of an app, which may even call sys.exit()
        return f"<the message could not be read: {type(broken).__name__}>"


def _in_one_line(message: str) -> str:
    """Return a message in one line of at most `MAX_UNMASKED` characters. A longer message is cut at a space.

    If the cut were inside a secret, the first part of the secret would not be masked later. Therefore a text without a
    space, such as an address, is cut after a separator.
    """
    line = " ".join(message[: 2 * MAX_UNMASKED].split())
    if len(line) <= MAX_UNMASKED and len(message) <= 2 * MAX_UNMASKED:
        return line
    start = line[:MAX_UNMASKED]
    if kept := start.rpartition(" ")[0]:
        return f"{kept}…"
    found = _UP_TO_SEPARATOR.match(start)
    return f"{found[0]}…" if found else f"… ({len(message):,} characters)"
