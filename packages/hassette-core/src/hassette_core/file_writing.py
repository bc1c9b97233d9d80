"""`replace_file`: write a file that is always complete."""

import os
from pathlib import Path


def replace_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file. After a crash at any moment, the file has the old content or the new content.

    On return, the new content is on the disk.

    Args:
        path: The file. Its directory must exist.
        data: The new content.
        mode: The permissions of the new file. By default, only the owner can read it.

    Raises:
        OSError: The file cannot be written. The old content remains.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor is no path
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    if os.name != "posix":
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # without this, the directory may still name the old file after a power failure
    finally:
        os.close(folder)
