"""`app_folder`: the directory of one app instance in ``data_dir``."""

from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

_LONGEST = 200
"""Most file systems allow 255 bytes in a name."""


def app_folder(data_dir: Path, app_key: str, instance: str) -> Path:
    """Return the directory for the files of one app instance. It may not exist.

    Example:
        >>> app_folder(Path("data"), "lamp", "first/floor")
        PosixPath('data/apps/lamp/first%2Ffloor')
    """
    return data_dir / "apps" / _file_name(app_key) / _file_name(instance)


def _file_name(name: str) -> str:
    quoted = quote(name, safe=" ", errors="surrogatepass")
    if not quoted.strip(". "):  # ".." would be the parent directory
        quoted = quoted.replace(".", "%2E").replace(" ", "%20") or "%"
    if len(quoted) > _LONGEST:
        quoted = f"{quoted[:_LONGEST]}%{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return quoted
