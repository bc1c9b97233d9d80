"""`DeployMarks`: record which version of each app is started."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from hassette_core.apps.git_commit import commit_of
from hassette_core.apps.module_changes import files_behind
from hassette_core.config import AppEntry
from hassette_core.redaction import mask_secret_values
from hassette_executor import Deploy

_HASH_CHARACTERS: Final = 16
_VERSION_CHARACTERS: Final = 10


class DeployMarks:
    """Records the version of an app at its start, and at each reload that changes it.

    The version is a hash of the app's module, of the modules in ``app_dir`` that it imports, and of its table in
    ``hassette.toml``. Installed packages do not count. Secrets are masked before the table is hashed, so a hash reveals
    no secret, and a new password is not a new version. The start or the end of a rehearsal is not a new version.

    Args:
        note: Records a deploy.
        app_dir: The directory of the apps' modules.
        redact: Masks secrets.
    """

    def __init__(self, note: Callable[[Deploy], None], app_dir: Path, redact: Callable[[str], str] = str) -> None:
        self._note = note
        self._app_dir = app_dir
        self._redact = redact
        self._versions: dict[str, str] = {}

    def started(self, entries: Mapping[str, AppEntry], app_keys: Collection[str]) -> None:
        """Record the versions of apps that start with the framework.

        Args:
            entries: The tables of the apps.
            app_keys: Keys of the apps that could be loaded.
        """
        self._versions.clear()
        commit = commit_of(self._app_dir)
        for app_key in sorted(set(app_keys) & entries.keys()):
            self._record(app_key, entries[app_key], commit, at_start=True)

    def reloaded(self, app_key: str, entry: AppEntry) -> None:
        """Record the version of a reloaded app, if it differs from its previous version."""
        self._record(app_key, entry, commit_of(self._app_dir), at_start=False)

    def _record(self, app_key: str, entry: AppEntry, commit: str | None, *, at_start: bool) -> None:
        code_hash = self._hash_of_code(entry.module)
        settings_hash = _hash(self._redact(_text(mask_secret_values(_settings(entry)))).encode())
        version = _hash(f"{code_hash} {settings_hash}".encode())[:_VERSION_CHARACTERS]
        if self._versions.get(app_key) != version:
            self._versions[app_key] = version
            self._note(Deploy(0, app_key, version, code_hash, settings_hash, commit, at_start))

    def _hash_of_code(self, module: str) -> str:
        files = [(Path(file).relative_to(self._app_dir).as_posix(), source) for file, source in self._files(module)]
        return _hash(b"".join(f"{len(source)} {name}\n".encode() + source for name, source in sorted(files)))

    def _files(self, module: str) -> Collection[tuple[str, bytes]]:
        return files_behind(module, self._app_dir)


def _settings(entry: AppEntry) -> dict[str, Any]:
    """Return the settings that belong to a version. The start or the end of a rehearsal is not a new version."""
    instances = [{key: value for key, value in one.items() if key != "rehearse"} for one in entry.instances]
    return entry.model_copy(update={"rehearse": False, "instances": instances}).model_dump(exclude={"enabled"})


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_HASH_CHARACTERS]


def _text(value: object) -> str:
    """Return a text that is equal for equal settings, whatever the order of their keys."""
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return "{" + ",".join(sorted(f"{key!r}:{_text(one)}" for key, one in items)) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "[" + ",".join(_text(one) for one in cast("Sequence[Any]", value)) + "]"
    return repr(value)
