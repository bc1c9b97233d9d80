"""Read a text file that the user has named, without blocking on a pipe or reading an endless device."""

import os
import stat
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 1_000_000

_KINDS: Final = {
    stat.S_IFDIR: "it is a directory",
    stat.S_IFIFO: "it is a named pipe, not a file",
    stat.S_IFSOCK: "it is a socket, not a file",
    stat.S_IFCHR: "it is a device, not a file",
    stat.S_IFBLK: "it is a device, not a file",
}


def read_text_file(file: Path) -> str:
    """Return the text of a plain file. A byte order mark, such as Windows Notepad writes, is left out.

    Each command reads the file again. So a pipe is refused even if it has a writer, because its text can be read only
    once.

    Raises:
        OSError: The file cannot be read, is not a plain file, or has more than `MAX_BYTES`. ``strerror`` is a message
            for the user.
        UnicodeDecodeError: The file is not UTF-8 text.
    """
    # Without O_NONBLOCK, opening a pipe waits for a writer.
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as opened:  # noqa: PTH123  a descriptor is no path
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, _KINDS.get(stat.S_IFMT(status.st_mode), "it is not a plain file"), str(file))
        if status.st_size > MAX_BYTES:
            raise OSError(0, f"it has {status.st_size:,} bytes, more than {MAX_BYTES:,}", str(file))
        return opened.read().decode("utf-8-sig")
