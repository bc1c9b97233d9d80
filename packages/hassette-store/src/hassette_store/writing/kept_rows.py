"""Rows that this process has stored once and that a new file needs, too: facts of the session, names and deploys."""

import sqlite3
from typing import Final

from hassette_store.rows import BatchRow, DeployRow, HomeNameRow
from hassette_store.sessions import READABLE_FACTS
from hassette_store.transactions import write_transaction
from hassette_store.writing.statements import HOME_NAMES
from hassette_store.writing.texts import cleaned_text, json_object

_MAX_NAMES: Final = 50_000
_ADD_FACTS: Final = f"UPDATE sessions SET facts = json_patch({READABLE_FACTS}, :facts) WHERE id = :session_id"
# A merge of a second file gives its deploys higher ids, and a corrected clock changes the ids of this session.
# So a comparison of ids alone would insert a deploy twice.
_ADD_DEPLOY: Final = """
INSERT INTO deploys (id, session_id, app, version, code_hash, settings_hash, git_commit, at_start)
SELECT :id, :session_id, :app, :version, :code_hash, :settings_hash, :git_commit, :at_start
WHERE NOT EXISTS (
    SELECT 1 FROM deploys
    WHERE app = :app AND version = :version AND code_hash = :code_hash AND settings_hash = :settings_hash
      AND (id >= :id OR session_id = :session_id))
ON CONFLICT DO NOTHING
"""


class KeptRows:
    """The newest fact, name and deploy of each kind that this process has stored.

    The framework records them once, at its start or connection. So a file that replaces a removed or damaged one would
    never get them.
    """

    def __init__(self) -> None:
        self._facts: dict[str, str] = {}
        self._names: dict[tuple[str, str], HomeNameRow] = {}
        self._deploys: dict[str, DeployRow] = {}

    def add(self, batch: BatchRow) -> None:
        """Keep the facts, names and deploys of a stored batch."""
        self._facts.update(batch.session_facts)
        for name in batch.home_names:
            if (key := (name.kind, name.key)) in self._names or len(self._names) < _MAX_NAMES:
                self._names[key] = name
        for deploy in batch.deploys:
            self._deploys[deploy.app] = deploy

    def write(self, db: sqlite3.Connection, session_id: int) -> None:
        """Write the kept rows that the file lacks, in one transaction.

        Args:
            db: The writer's connection, in autocommit mode.
            session_id: The session of this process in the file.

        Raises:
            sqlite3.Error: A statement failed. Nothing was changed.
        """
        if not (self._facts or self._names or self._deploys):
            return
        names = [
            [value if value is None else cleaned_text(value) for value in (name.kind, name.key, name.name, name.area)]
            for name in self._names.values()
        ]
        with write_transaction(db):
            db.execute(_ADD_FACTS, {"facts": json_object(self._facts.items()), "session_id": session_id})
            HOME_NAMES.insert(db, names)
            db.executemany(_ADD_DEPLOY, [_values(deploy, session_id) for deploy in self._deploys.values()])


def _values(deploy: DeployRow, session_id: int) -> dict[str, object]:
    return {
        "id": deploy.id,
        "session_id": session_id,
        "app": cleaned_text(deploy.app),
        "version": cleaned_text(deploy.version),
        "code_hash": cleaned_text(deploy.code_hash),
        "settings_hash": cleaned_text(deploy.settings_hash),
        "git_commit": None if deploy.git_commit is None else cleaned_text(deploy.git_commit),
        "at_start": int(deploy.at_start),
    }
