"""The note next to a database file: it names the owner, and contains the last heartbeat of the owner's session.

A heartbeat overwrites its line of the note in place. The note is not part of the database, so a heartbeat costs some
bytes in the cache of the system instead of a page in the write-ahead log. The system keeps the bytes if the process is
killed, and writes them to the disk within about half a minute, as it does with the log.

The times of a file (mtime) would be less exact: copies, backups and restores change them, and some file systems store
whole seconds only.
"""

import json
import os
import socket
import sqlite3
import zlib
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, cast

HEARTBEAT_FUNCTION: Final = "latest_heartbeat"
"""Name of the SQL function of `add_heartbeat_function`."""

_LINE_BYTES: Final = 80
# A read at the moment of a write can return a part of each line. The checksum shows that, and the next read succeeds.
_MAX_READS: Final = 5
_MAX_NOTE_BYTES: Final = 4096


def owner_note(path: Path) -> Path:
    """Return the path of the note that names the owner of a database file. The owner's lock is on this note."""
    return path.with_name(path.name + ".owner")


class Heartbeat(NamedTuple):
    """A heartbeat of a session.

    Attributes:
        session_id: Id of the session.
        started_us: Start of the session, as the file states it. It distinguishes sessions of several files.
        sequence: Sequence number of the last batch of the session at that time.
        at_us: The time.
    """

    session_id: int
    started_us: int
    sequence: int
    at_us: int

    def line(self) -> bytes:
        """Return the heartbeat as a line. All lines have the same length, so that one can overwrite another."""
        text = " ".join(map(str, self))
        return f"{text} {zlib.crc32(text.encode()):08x}".ljust(_LINE_BYTES - 1).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """Return the heartbeat in a line; None if the line is not complete."""
        text, _, checksum = line.strip().rpartition(b" ")
        if checksum != b"%08x" % zlib.crc32(text):
            return None
        values = text.split(b" ")
        return cls(*map(int, values)) if len(values) == len(cls._fields) else None

    def latest(self, session_id: Any, started_us: Any, last_sequence: Any, heartbeat_us: Any) -> Any:
        """Return the time of the last heartbeat of a session.

        Each batch stores a heartbeat in the row of its session, and so do some heartbeats between batches. The clock
        may have been set back meanwhile, so the sequence numbers decide first.

        Args:
            session_id: Id in the row of the session. A damaged row can contain a value of any type.
            started_us: Start in the row.
            last_sequence: Sequence number of the last batch in the row.
            heartbeat_us: Heartbeat in the row, which is returned if this heartbeat is an older one or of another
                session.
        """
        if (self.session_id, self.started_us) == (session_id, started_us) and isinstance(last_sequence, int):
            if self.sequence > last_sequence:
                # The last batches of the row are lost, for example in a power cut.
                return self.at_us
            if self.sequence == last_sequence and isinstance(heartbeat_us, int):
                return max(self.at_us, heartbeat_us)
        return heartbeat_us


def write_note(file: int, heartbeat: Heartbeat | None, *, closed: list[int] | None = None) -> int:
    """Overwrite a note with the id of this process and a heartbeat, and then cut the rest.

    So an error leaves no empty note. Write without a buffer. Python would write buffered text when it closes the file,
    and by that time another process may be the owner.

    Args:
        file: Descriptor of the note.
        heartbeat: The last heartbeat that the note contained; None if there is none.
        closed: Size and time of the last change of a closed database file.

    Returns:
        The place of the heartbeat in the note.

    Raises:
        OSError: The note cannot be written.
    """
    note = {"pid": os.getpid(), "host": socket.gethostname(), **({"closed": closed} if closed else {})}
    text = json.dumps(note).encode() + b"\n"
    content = text + (heartbeat.line() if heartbeat is not None else b"")
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, content)
    os.ftruncate(file, len(content))
    return len(text)


def read_note(content: bytes) -> tuple[dict[str, object], Heartbeat | None]:
    """Return the facts and the heartbeat in a note, as far as they are readable. They may not be, after a crash."""
    first, _, second = content.partition(b"\n")
    try:
        note: object = json.loads(first)
    except ValueError:
        note = None
    facts = cast("dict[str, object]", note) if isinstance(note, dict) else {}
    return facts, Heartbeat.parse(second)


def read_heartbeat(path: Path) -> Heartbeat | None:
    """Return the heartbeat in the note of a database file; None if there is no readable note or no heartbeat.

    Args:
        path: The database file. A framework may be writing to it, and it may be a symbolic link.
    """
    note = owner_note(Path(os.path.realpath(path)))
    for _ in range(_MAX_READS):
        try:
            with note.open("rb") as file:
                content = file.read(_MAX_NOTE_BYTES)
        except OSError:
            # For example, a copy has no note, or belongs to another user. The row of the session remains.
            return None
        if (heartbeat := read_note(content)[1]) is not None:
            return heartbeat
    return None


def add_heartbeat_function(connection: sqlite3.Connection, path: Path) -> None:
    """Add the SQL function ``latest_heartbeat(id, started_us, last_sequence, heartbeat_us)`` to a reader's connection.

    For the values of the row of an open session, the function returns the time of its last heartbeat.

    Args:
        connection: The connection.
        path: The database file.
    """

    def latest(*row: Any) -> Any:
        heartbeat = read_heartbeat(path)
        return row[-1] if heartbeat is None else heartbeat.latest(*row)

    connection.create_function(HEARTBEAT_FUNCTION, 4, latest)
