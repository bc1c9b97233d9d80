"""Find the change that an entity followed.

A helper such as a threshold sensor does not keep the context of its source.
"""

from collections.abc import Sequence
from sqlite3 import Row

from hassette_store.ids import first_id_at
from hassette_sync.answers.explanations import StateChange
from hassette_sync.queries import causes as queries
from hassette_sync.questions.changes import MEASURING, is_row_of
from hassette_sync.questions.entities import ENTITY_ID
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import MILLISECOND_US, SECOND_US

_MAX_CHANGES = 5


async def change_followed(
    transaction: ReadTransaction, followed: str, explained: Sequence[StateChange]
) -> tuple[Row | None, str]:
    """Return the recorded change that an entity followed, or why it is not known.

    If the followed entity only measures, and no change of it is recorded, it changed by itself. Then the result is None
    and an empty text. The result is the same if its only change is explained, because entities may follow each other or
    themselves.

    Args:
        transaction: Read transaction of the question.
        followed: The entity that it follows, or its integration if that is not known.
        explained: The explained changes. The last one is the change of the entity itself. The
            entity has not followed any of them.
    """
    if ENTITY_ID.fullmatch(followed) is None:
        follows = f"the entity follows other entities ({followed})"
        return None, f"{follows}, and Home Assistant does not report which change it followed."
    change = explained[-1]
    before: Parameters = {
        "entity": followed,
        "first_id": first_id_at(change.at_us - SECOND_US),
        "end_id": first_id_at(change.at_us + MILLISECOND_US),
        "limit": _MAX_CHANGES,
    }
    rows = await transaction.all(queries.CHANGES_BEFORE, before)
    row = next((row for row in rows if not is_row_of(row, explained)), None)
    if rows or followed.partition(".")[0] in MEASURING:
        return row, ""
    return None, f"the entity follows {followed}, and no change of it is recorded in the second before."
