"""Find the change that an entity followed. Helpers such as a threshold sensor change without the context of it."""

from sqlite3 import Row

from hassette_store.ids import first_id_at
from hassette_sync.answers.explanations import StateChange
from hassette_sync.queries import causes as queries
from hassette_sync.questions.changes import MEASURING
from hassette_sync.questions.entities import ENTITY_ID
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import SECOND_US

_MILLISECOND_US = 1_000


async def change_followed(transaction: ReadTransaction, followed: str, change: StateChange) -> tuple[Row | None, str]:
    """Return the recorded change that an entity followed, or why it is not known.

    If the followed entity only measures, and no change of it is recorded, it changed by itself. Then both are empty.

    Args:
        transaction: Read transaction of the question.
        followed: The entity that it follows, or its integration if that is not known.
        change: The change of the follower.
    """
    if ENTITY_ID.fullmatch(followed) is None:
        return None, f"the entity follows other ones ({followed}), and Home Assistant does not report which change."
    before: Parameters = {
        "entity": followed,
        "first_id": first_id_at(change.at_us - SECOND_US),
        "end_id": first_id_at(change.at_us + _MILLISECOND_US),
        "limit": 1,
    }
    row = await transaction.one(queries.CHANGES_BEFORE, before)
    if row is not None or followed.partition(".")[0] in MEASURING:
        return row, ""
    return None, f"the entity follows {followed}, and no change of that is recorded within the second before."
