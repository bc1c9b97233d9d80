"""Heartbeats of the open session.

Each batch stores a heartbeat in the row of the session. Between batches, heartbeats go to the note of the owner
(`hassette_store.file.owner_note`). The row also gets some of them: the row is all that a copy of the file contains.
"""

import sqlite3
from collections.abc import Callable
from typing import Final

from hassette_store.file.owner_note import Heartbeat
from hassette_store.file.ownership import Ownership
from hassette_store.file.writer import Writer
from hassette_store.periods import SECOND_US
from hassette_store.settings import StoreSettings

ROW_INTERVAL_S: Final = 900.0
"""Most seconds between two heartbeats in the row of the session. Each of them writes a page."""

_MAX_DRIFT_US: Final = 2 * SECOND_US
_HAS_OWN_ROWS: Final = "SELECT 1 FROM sessions WHERE id = ? AND last_sequence = ?"
_UPDATE_ROW: Final = """
UPDATE sessions SET heartbeat_us = ? WHERE id = ? AND last_sequence = coalesce(?, last_sequence) RETURNING id
"""


class Heartbeats:
    """Decides when a heartbeat is due, and stores it.

    Args:
        settings: The interval, and whether each heartbeat must be on the disk before it counts as written.
        now_us: Wall clock, in microseconds since the Unix epoch.
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(self, settings: StoreSettings, now_us: Callable[[], int], monotonic: Callable[[], float]) -> None:
        self._interval_s = settings.heartbeat_s
        self._now_us = now_us
        self._monotonic = monotonic
        self._durable = settings.synchronous == "full"
        self._last_s = 0.0
        self._row_s = 0.0
        self._offset_us = 0

    @property
    def due_in_s(self) -> float:
        """Seconds until the next heartbeat is due; negative or 0 if it is due."""
        return self._last_s + self._interval_s - self._monotonic()

    def row_has_heartbeat(self) -> None:
        """Note that the row of the session has just got a heartbeat, for example with a batch."""
        self._last_s = self._row_s = self._monotonic()
        self._offset_us = self._now_us() - round(self._row_s * SECOND_US)

    async def beat(
        self, db: Writer, ownership: Ownership | None, session: tuple[int, int] | None, sequence: int | None
    ) -> bool:
        """Store a heartbeat. Return False if another program has replaced the rows of the file; nothing is stored then.

        The next heartbeat is due after the interval, also after an error.

        Args:
            db: The file.
            ownership: The ownership of the file; None if the service is being stopped.
            session: Id and start of the session.
            sequence: Sequence number of its last stored batch; None if it is unknown. The row then gets the heartbeat.

        Raises:
            StoreError: The file is no longer the file that is open.
            sqlite3.Error: The file cannot be read or written.
        """
        now_us, now_s = self._now_us(), self._monotonic()
        self._last_s = now_s
        assert session is not None
        session_id = session[0]
        # After a step of the clock, the row contains a time of another clock. A copy must not show a later end than
        # the true one.
        stepped = abs(now_us - round(now_s * SECOND_US) - self._offset_us) > _MAX_DRIFT_US
        row_is_due = stepped or now_s - self._row_s >= ROW_INTERVAL_S

        def note() -> bool:
            if ownership is None or sequence is None:
                return False
            return ownership.store_heartbeat(Heartbeat(*session, sequence, now_us), durable=self._durable)

        def store(raw: sqlite3.Connection) -> bool:
            if sequence is not None and not row_is_due:
                if raw.execute(_HAS_OWN_ROWS, (session_id, sequence)).fetchone() is None:
                    return False
                if note():
                    return True
            if not raw.execute(_UPDATE_ROW, (now_us, session_id, sequence)).fetchall():
                return False
            note()  # after a step back of the clock, the note must not keep the later time
            self.row_has_heartbeat()
            return True

        return await db.run(store)
