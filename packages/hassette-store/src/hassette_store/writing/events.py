"""Encoding of the events and circumstances of a batch as rows for each table."""

from collections.abc import Sequence
from typing import Final

from hassette_store.insertion import RowValues
from hassette_store.rows import BatchRow
from hassette_store.writing.row_ids import NameIds
from hassette_store.writing.used_ids import NewIds, with_new_ids

EVENTS: Final = ("lifecycle", "home_changes", "home_causes", "home_names", "deploys", "framework_log")
"""Fields of a batch with events and circumstances."""


def encode_events(batch: BatchRow, session_id: int, names: NameIds, new_ids: NewIds) -> dict[str, Sequence[RowValues]]:
    """Return the rows of the event tables and of ``home_names``, by table.

    Args:
        batch: The batch.
        session_id: The session of the events.
        names: Ids of the names.
        new_ids: New ids of runs and events.
    """
    return {
        "lifecycle_events": [
            (event.id, session_id, event.at_us, event.kind, event.subject, event.detail)
            for event in with_new_ids(batch.lifecycle, new_ids)
        ],
        "home_changes": [
            (
                *(change.id, session_id, names[change.entity_id], change.old_state, change.new_state),
                *(change.context_id, change.parent_id, names[change.user_id]),
            )
            for change in with_new_ids(batch.home_changes, new_ids)
        ],
        "home_causes": [
            (
                *(cause.id, session_id, cause.kind, names[cause.entity_id], names[cause.service]),
                *(cause.target or None, cause.detail or None),
                *(cause.context_id, cause.parent_id, names[cause.user_id], cause.item_id, cause.trace_id),
            )
            for cause in with_new_ids(batch.home_causes, new_ids)
        ],
        "home_names": [(name.kind, name.key, name.name, name.area) for name in batch.home_names],
        "deploys": [
            (
                *(deploy.id, session_id, deploy.app, deploy.version, deploy.code_hash, deploy.settings_hash),
                *(deploy.git_commit, int(deploy.at_start)),
            )
            for deploy in with_new_ids(batch.deploys, new_ids)
        ],
        "framework_log": [
            (line.id, session_id, line.level, names[line.logger], line.message, line.app)
            for line in with_new_ids(batch.framework_log, new_ids)
        ],
    }
