"""Sessions of browsers that have signed in: random ids, kept in a small file, bounded in number and time."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, cast

_logger = logging.getLogger(__name__)

MAX_SESSIONS: Final = 200
IDLE_S: Final = 30 * 86_400
LIFETIME_S: Final = 90 * 86_400
_USED_STEP_S: Final = 86_400
_MAX_FILE_BYTES: Final = 200_000


@dataclass(slots=True)
class BrowserSession:
    """One browser that has signed in.

    Attributes:
        created_s: Time of the sign-in, in seconds since the Unix epoch.
        used_s: Time of the last use, to the day.
    """

    created_s: float
    used_s: float


class BrowserSessions:
    """Sessions of browsers. They survive a restart, and end with a sign-out, with time, and when the token changes.

    The file has mode 0600 and contains only digests of the ids, so a copy of it does not admit a visitor. It also
    contains the secret of the keys on pages, so that a page from before a restart can still send its forms.

    Args:
        token: The token of the settings. If another token was in use when the file was written, no session is valid.
        file: Path of the file; None keeps the sessions in memory.
        clock: Wall clock in seconds.
    """

    def __init__(self, token: str | None, file: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._token = token
        self._file = file
        self._clock = clock
        self._salt = secrets.token_bytes(16)
        self._sessions: dict[str, BrowserSession] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self._writing = asyncio.Lock()
        self._saving: asyncio.Task[None] | None = None
        self.page_secret: bytes = secrets.token_bytes(32)

    def __len__(self) -> int:
        return len(self._sessions)

    async def load(self) -> None:
        """Read the file. A damaged file is replaced at the next sign-in."""
        if self._file is None:
            return
        try:
            content = await asyncio.to_thread(_read, self._file)
            kept = cast("dict[str, object]", json.loads(content))
            salt, secret = bytes.fromhex(str(kept["salt"])), bytes.fromhex(str(kept["page_secret"]))
            sessions = {
                str(key): BrowserSession(float(one["created_s"]), float(one["used_s"]))
                for key, one in cast("dict[str, dict[str, float]]", kept["sessions"]).items()
            }
            digest = str(kept["token"])
        except FileNotFoundError:
            await self._save()
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            _logger.warning(
                "Sessions of browsers cannot be read; browsers must sign in again",
                extra={"file": str(self._file), "error": str(error)},
            )
            return
        if hmac.compare_digest(digest, await asyncio.to_thread(_token_digest, self._token, salt)):
            self._salt, self.page_secret, self._sessions = salt, secret, sessions
            self._remove_old()
        else:
            await self._save()

    async def create(self) -> str:
        """Begin a session and return its id, which only the browser keeps."""
        id_ = secrets.token_urlsafe(32)
        now = self._clock()
        self._remove_old()
        while len(self._sessions) >= MAX_SESSIONS:
            self._remove(min(self._sessions, key=lambda key: self._sessions[key].used_s))
        self._sessions[_key(id_)] = BrowserSession(now, now)
        await self._save()
        return id_

    def find(self, id_: str) -> str | None:
        """Return the key of a valid session, or None. The key names the session but is no secret."""
        key = _key(id_)
        session = self._sessions.get(key)
        if session is None:
            return None
        now = self._clock()
        if _is_old(session, now):
            self._remove(key)
            return None
        if now - session.used_s > _USED_STEP_S:
            session.used_s = now
            self._saving = asyncio.ensure_future(self._save())
        return key

    async def end(self, key: str) -> None:
        """End one session and its live connections."""
        self._remove(key)
        await self._save()

    async def end_all(self) -> None:
        """End all sessions and their live connections, and make the keys on all open pages invalid."""
        for key in tuple(self._sessions):
            self._remove(key)
        self.page_secret = secrets.token_bytes(32)
        await self._save()

    async def wait_for_end(self, key: str) -> None:
        """Wait until a session ends."""
        if key in self._sessions:
            await self._ends.setdefault(key, asyncio.Event()).wait()

    async def close(self) -> None:
        """Wait for a write in progress."""
        if self._saving is not None:
            await self._saving

    def _remove_old(self) -> None:
        now = self._clock()
        for key in [key for key, session in self._sessions.items() if _is_old(session, now)]:
            self._remove(key)

    def _remove(self, key: str) -> None:
        self._sessions.pop(key, None)
        if (end := self._ends.pop(key, None)) is not None:
            end.set()

    async def _save(self) -> None:
        if self._file is None:
            return
        async with self._writing:
            # Copied here, because the sessions may change while a thread writes.
            sessions = {key: asdict(session) for key, session in self._sessions.items()}
            try:
                await asyncio.to_thread(_write, self._file, self._token, self._salt, self.page_secret, sessions)
            except OSError as error:
                _logger.warning(
                    "Sessions of browsers cannot be stored; browsers must sign in again after a restart",
                    extra={"file": str(self._file), "error": str(error)},
                )


def _key(id_: str) -> str:
    return hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()


def _is_old(session: BrowserSession, now: float) -> bool:
    # A clock that was set back makes no session older.
    return now - session.used_s > IDLE_S or now - session.created_s > LIFETIME_S


def _token_digest(token: str | None, salt: bytes) -> str:
    # Slow on purpose, so that a short token cannot be guessed from a copy of the file.
    return hashlib.scrypt((token or "").encode(), salt=salt, n=2**14, r=8, p=1).hex()


def _read(file: Path) -> bytes:
    # A pipe at this path must not block the start.
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
        return opened.read(_MAX_FILE_BYTES)


def _write(
    file: Path, token: str | None, salt: bytes, page_secret: bytes, sessions: dict[str, dict[str, float]]
) -> None:
    content = {
        "token": _token_digest(token, salt),
        "salt": salt.hex(),
        "page_secret": page_secret.hex(),
        "sessions": sessions,
    }
    new = file.with_name(f"{file.name}.new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()  # of a write that was interrupted
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        json.dump(content, opened)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)
