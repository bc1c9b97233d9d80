"""Questions about the versions of apps."""

from sqlite3 import Row

from hassette_store.ids import time_of
from hassette_sync.answers.logs import Version, VersionsPage
from hassette_sync.queries.versions import VERSIONS
from hassette_sync.questions.paging import DEFAULT_LIMIT, check_limit, id_below
from hassette_sync.questions.runs import known_app
from hassette_sync.reader import ReadTransaction

_EXAMINED = 5_000


async def versions_page(
    transaction: ReadTransaction, app: str | None = None, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> VersionsPage:
    """Return one page of the versions of apps, newest first. A start of an unchanged app is not a new version.

    Args:
        transaction: Read transaction of the question.
        app: Key of an app; None for all.
        cursor: ``next_cursor`` of the page before.
        limit: Maximum number of versions.
    """
    check_limit(limit)
    rows = await _versions(transaction, app, id_below(cursor), limit + 1)
    versions = tuple(_version(row) for row in rows[:limit])
    return VersionsPage(versions=versions, next_cursor=str(versions[-1].id) if len(rows) > limit else None)


async def _versions(transaction: ReadTransaction, app: str | None, below: int, limit: int) -> list[Row]:
    key = await known_app(transaction, app) if app is not None else None
    return await transaction.all(VERSIONS, {"app": key, "cursor": below, "limit": limit, "examined": _EXAMINED})


def _version(row: Row) -> Version:
    return Version(
        id=row["id"],
        session_id=row["session_id"],
        app=row["app"],
        version=row["version"],
        commit=row["commit"],
        code_changed=bool(row["code_changed"]),
        settings_changed=bool(row["settings_changed"]),
        since_us=time_of(row["id"]),
        until_us=time_of(row["next_id"]) if row["next_id"] is not None else None,
    )
