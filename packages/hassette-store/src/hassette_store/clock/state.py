"""Times of the clock check that the file keeps for the next start."""

from typing import Final

from hassette_store.clock.check import CANDIDATE_S, CANDIDATE_US, EXPECTED_US, ClockCheck
from hassette_store.file.writer import Writer
from hassette_store.ids import time_sql
from hassette_store.kinds import KINDS

_NAMES: Final = (EXPECTED_US, CANDIDATE_US, CANDIDATE_S)
_PLACES: Final = ", ".join("?" * len(_NAMES))
_NEWEST_US: Final = (
    "SELECT max(at_us) FROM (SELECT max(heartbeat_us) AS at_us FROM sessions WHERE id < ?"
    + "".join(f" UNION ALL SELECT {time_sql('max(id)')} FROM {kind.runs_table}" for kind in KINDS)
    + ")"
)


async def compare_clock_with_file(check: ClockCheck, db: Writer, session_id: int) -> None:
    """Compare the clock with the times in the file, at the start of a session.

    Raises:
        sqlite3.Error: The file cannot be read or written.
    """
    saved = dict(await db.rows(f"SELECT name, value FROM store_state WHERE name IN ({_PLACES})", _NAMES))
    ((newest_us,),) = await db.rows(_NEWEST_US, (session_id,))
    check.compare_with_file(saved, newest_us)
    await save_clock(check, db)


async def save_clock(check: ClockCheck, db: Writer) -> None:
    """Save the times of an unconfirmed clock for the next start; remove them if the clock is confirmed.

    Raises:
        sqlite3.Error: The file cannot be written.
    """
    if saved := check.saved():
        values = ", ".join(f"('{name}', {value:d})" for name, value in saved.items())
        await db.rows(f"INSERT INTO store_state VALUES {values} ON CONFLICT DO UPDATE SET value = excluded.value")
    else:
        await db.rows(f"DELETE FROM store_state WHERE name IN ({_PLACES})", _NAMES)
