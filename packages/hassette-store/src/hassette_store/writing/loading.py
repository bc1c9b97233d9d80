"""Loading of an encoder with the ids of all names and registrations in the file."""

from collections.abc import Sequence

from hassette_store.errors import OTHER_ROWS, ReplacedFileError
from hassette_store.file.writer import Writer
from hassette_store.kinds import KINDS
from hassette_store.rows import RegistrationRow
from hassette_store.writing.encoding import BatchEncoder
from hassette_store.writing.row_ids import Key, NameIds, RegistrationIds


async def load_encoder(db: Writer, session_id: int, registrations: Sequence[RegistrationRow]) -> BatchEncoder:
    """Return an encoder for a session.

    Args:
        db: The writer.
        session_id: The session.
        registrations: Registrations of this process, which may be missing in the file.

    Raises:
        ReplacedFileError: The session is not in the file.
        sqlite3.Error: The file cannot be read.
    """
    names = await db.rows("SELECT name, id FROM names")
    known: list[tuple[Key, int]] = []
    for kind in KINDS:
        rows = await db.rows(f"SELECT {', '.join(kind.key_columns)}, id FROM {kind.registrations_table}")
        known += [((kind.name, *row[:-1]), row[-1]) for row in rows]
    rows = await db.rows("SELECT last_sequence FROM sessions WHERE id = ?", (session_id,))
    if not rows:
        raise ReplacedFileError(db.identity.path, OTHER_ROWS)
    return BatchEncoder(
        session_id,
        NameIds((name, id_) for name, id_ in names),
        RegistrationIds(known, registrations),
        last_sequence=int(rows[0][0]),
    )
