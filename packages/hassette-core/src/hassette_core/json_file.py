"""`JsonFile`: a small file that is always complete, for values that must survive a restart."""

import json
import logging
from pathlib import Path
from typing import Any

from hassette_core.file_writing import replace_file

logger = logging.getLogger(__name__)


class JsonFile:
    """A file with one JSON value. A crash during a save leaves the old value in place.

    The file is readable only for its owner. Both methods block; call `save` in a thread.

    Args:
        path: The file. Its directory need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Any:
        """Return the value; None if there is no file.

        A file that cannot be read is renamed, so that the next save does not destroy it, and a warning is logged.
        """
        try:
            return json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            aside = self._path.with_suffix(".damaged")
            logger.warning(
                "File cannot be read; it is renamed, and a new file is written",
                extra={"path": str(self._path), "renamed_to": str(aside), "error": str(error)},
            )
            try:
                self._path.replace(aside)
            except OSError as rename_error:
                logger.warning("File cannot be renamed", extra={"path": str(self._path), "error": str(rename_error)})
            return None

    def save(self, value: object) -> None:
        """Replace the value. On return, it is on the disk.

        Raises:
            OSError: The file cannot be written. The old value remains.
        """
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._path, text.encode())
