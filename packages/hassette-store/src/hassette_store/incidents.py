"""Incidents of the database file, and how a session records them."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hassette_store.errors import ReplacedFileError, StoreError
from hassette_store.file.writer import Writer
from hassette_store.ids import first_id_at
from hassette_store.sessions import LAST_ID
from hassette_store.writing.stored_runs import StoredRuns
from hassette_store.writing.texts import cleaned_text

logger = logging.getLogger(__name__)

FILE_LOST: Final = "file_lost"
"""Reason of the loss of runs that were in a file which was removed, replaced or damaged while it was open."""
DATABASE_RECOVERED: Final = "database_recovered"
# The redating can change the ids of runs. So the session, and not the id, identifies the runs of this process. If a
# recovery has lost the row of the session, these runs belong to a placeholder with pid 0, and the ids identify them.
_COUNT_RUNS: Final = """
SELECT count(*) FROM runs WHERE session_id = ?
OR id BETWEEN ? AND ? AND session_id IN (SELECT id FROM sessions WHERE pid = 0)
"""


@dataclass(frozen=True, slots=True)
class Incident:
    """A replacement, recovery, merge or upgrade of the file, which is stored as a lifecycle event.

    Attributes:
        kind: ``database_replaced``, ``database_recovered``, ``database_merged`` or ``database_upgraded``.
        detail: One sentence.
    """

    kind: str
    detail: str


async def save_incidents(
    db: Writer, incidents: Iterable[Incident], *, path: Path, session_id: int, now_us: int
) -> None:
    """Store incidents as lifecycle events of a session.

    Raises:
        sqlite3.Error: The file cannot be written.
    """
    (last_id,) = (await db.rows(LAST_ID))[0]
    event_id = max(first_id_at(now_us), int(last_id))
    for number, incident in enumerate(incidents, 1):
        await db.rows(
            "INSERT INTO lifecycle_events VALUES (?, ?, ?, ?, ?, ?)",
            # A path may contain bytes that are not UTF-8.
            (
                event_id + number,
                session_id,
                now_us,
                incident.kind,
                cleaned_text(str(path)),
                cleaned_text(incident.detail),
            ),
        )


def report_replacement(error: ReplacedFileError, path: Path) -> None:
    """Log that another program has changed the file, as soon as the store finds the change."""
    logger.error(
        "Database file was changed by another program; it is closed and opened again",
        extra={"path": str(path), "cause": error.finding},
    )


async def save_lost_runs(
    db: Writer, error: StoreError, stored: StoredRuns, incidents: Iterable[Incident], *, path: Path, session_id: int
) -> list[Incident]:
    """Count the runs that were lost with the previous file, store the loss, and return the incidents.

    Args:
        db: The writer of the file that is open now.
        error: The damage or change of the previous file.
        stored: The runs that this process has stored.
        incidents: Incidents during the preparation of the file that is open now.
        path: The database file.
        session_id: The session.

    Raises:
        sqlite3.Error: The file cannot be written.
    """
    incidents = list(incidents)
    if any(incident.kind == DATABASE_RECOVERED for incident in incidents):
        (present,) = (await db.rows(_COUNT_RUNS, (session_id, *stored.recent_ids)))[0]
        lost = stored.compare_rows(int(present))
    else:
        (sequence,) = (await db.rows("SELECT last_sequence FROM sessions WHERE id = ?", (session_id,)))[0]
        lost = stored.compare(int(sequence))
    if lost is not None:
        await db.rows(
            "INSERT INTO losses (session_id, reason, what, count, first_us, last_us) VALUES (?, ?, 'runs', ?, ?, ?)",
            (session_id, FILE_LOST, *lost),
        )
    count = 0 if lost is None else lost.runs
    if isinstance(error, ReplacedFileError):
        loss = f"lost runs of this session: {count:,}" if count else "no run of this session is lost"
        incidents.insert(0, Incident("database_replaced", f"{path.name} {error.finding}; {loss}."))
    logger.log(
        logging.ERROR if count else logging.WARNING,
        "Database file was opened again after damage or a change by another program",
        extra={"path": str(path), "cause": str(error), "lost_runs": count},
    )
    return incidents
