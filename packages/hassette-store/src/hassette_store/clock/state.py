"""Times of the clock check that the file keeps for the next start."""

from datetime import UTC, datetime
from typing import Final

from hassette_store.clock.check import CANDIDATE_S, CANDIDATE_US, EXPECTED_US, ClockCheck
from hassette_store.file.writer import Writer
from hassette_store.ids import time_sql
from hassette_store.kinds import KINDS
from hassette_store.periods import SECOND_US

_NAMES: Final = (EXPECTED_US, CANDIDATE_US, CANDIDATE_S)
_PLACES: Final = ", ".join("?" * len(_NAMES))
_NEWEST_US: Final = (
    "SELECT max(at_us) FROM (SELECT max(heartbeat_us) AS at_us FROM sessions WHERE id < ?"
    + "".join(f" UNION ALL SELECT {time_sql('max(id)')} FROM {kind.runs_table}" for kind in KINDS)
    + ")"
)


BOOTED: Final = "booted"
"""Name of the fact of a session with the time at which the machine was booted, by the wall clock at the start."""
BOOTED_US: Final = (
    f"CASE WHEN json_valid(facts) THEN strftime('%s', json_extract(facts, '$.{BOOTED}')) * {SECOND_US} END"
)
"""Select the boot time of a session, in microseconds; NULL if it is unknown."""
# At most 1,000 sessions. After so many sessions, the start of the first of them makes no difference.
_SAME_CLOCK: Final = f"""
SELECT id, started_us, ended_us FROM sessions
WHERE id < ? AND id > max(? - 1000, coalesce((
    SELECT max(id) FROM sessions
    WHERE id < ? AND NOT coalesce(abs({BOOTED_US} - ?) <= {5 * SECOND_US}, false)), 0))
ORDER BY id DESC
"""


def same_clock(session_id: int, booted_us: int) -> tuple[str, tuple[int, ...]]:
    """Return a statement, with its values, that selects the earlier sessions since a boot.

    The statement selects the sessions directly before the given session, if their boot time by the wall clock is the
    same. So the clock has not stepped since the start of the first of them.

    Args:
        session_id: The given session.
        booted_us: Time of the boot, by the wall clock.
    """
    return _SAME_CLOCK, (session_id, session_id, session_id, booted_us)


def booted_fact(check: ClockCheck) -> dict[str, str]:
    """Return the fact `BOOTED` of a session that starts now."""
    return {BOOTED: f"{datetime.fromtimestamp(max(0, check.booted_us) / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ}"}


async def compare_clock_with_file(check: ClockCheck, db: Writer, session_id: int) -> None:
    """Compare the clock with the times in the file, at the start of a session.

    Raises:
        sqlite3.Error: The file cannot be read or written.
    """
    saved = dict(await db.rows(f"SELECT name, value FROM store_state WHERE name IN ({_PLACES})", _NAMES))
    ((newest_us,),) = await db.rows(_NEWEST_US, (session_id,))
    check.read()  # `booted_us` is of the last reading
    earlier = await db.rows(*same_clock(session_id, check.booted_us))
    ((now_us,),) = await db.rows("SELECT started_us FROM sessions WHERE id = ?", (session_id,))
    began_us = min((started_us for _, started_us, _ in earlier), default=now_us)
    check.compare_with_file(saved, newest_us, same_clock_s=(now_us - began_us) / SECOND_US)
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
