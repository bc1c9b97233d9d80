"""`JsonFile`: a small file that is always complete, for values that must survive a restart."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from hassette_core.file_writing import replace_file


class JsonFile:
    """A file with one JSON value. A crash during a save leaves the old value in place.

    The file is readable only for its owner. All methods block; call `save` in a thread.

    Args:
        path: The file. Its directory need not exist.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Any:
        """Return the value; None if there is no file.

        Raises:
            OSError: The file cannot be read.
            ValueError, RecursionError: The file does not contain a JSON value.
        """
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def save(self, value: object) -> None:
        """Replace the value. On return, it is on the disk.

        Raises:
            OSError: The file cannot be written. The old value remains.
        """
        # JSON in ASCII: a text with half a surrogate pair could not be encoded otherwise.
        text = json.dumps(value, separators=(",", ":"))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, text.encode())

    def set_aside(self) -> Path:
        """Give the content a second name, so that the next save does not destroy it. Return the path.

        Raises:
            OSError: That is not possible. The file is unchanged.
        """
        aside = self.path.with_name(f"{self.path.stem}.damaged-{time.time_ns()}{self.path.suffix}")
        try:
            os.link(self.path, aside)  # needs no space, and the file can be unreadable
        except OSError:  # for example a file system without links
            try:
                shutil.copyfile(self.path, aside)
            except OSError:
                aside.unlink(missing_ok=True)
                self.path.replace(aside)
        return aside
