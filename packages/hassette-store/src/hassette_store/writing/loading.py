"""Loading of an encoder with the ids of all names and registrations in the file."""

from collections.abc import Sequence

from hassette_store.file.writer import Writer
from hassette_store.kinds import KINDS
from hassette_store.rows import RegistrationRow
from hassette_store.writing.encoding import BatchEncoder
from hassette_store.writing.row_ids import Key, NameIds, RegistrationIds


async def load_encoder(
    db: Writer, session_id: int, registrations: Sequence[RegistrationRow]
) -> tuple[BatchEncoder, int]:
    """Return an encoder for a session, and the sequence number of its last stored batch.

    Args:
        db: The writer.
        session_id: The session.
        registrations: Registrations of this process, which may be missing in the file.

    Raises:
        sqlite3.Error: The file cannot be read.
    """
    names = await db.rows("SELECT name, id FROM names")
    known: list[tuple[Key, int]] = []
    for kind in KINDS:
        rows = await db.rows(f"SELECT {', '.join(kind.key_columns)}, id FROM {kind.registrations_table}")
        known += [((kind.name, *row[:-1]), row[-1]) for row in rows]
    (sequence,) = (await db.rows("SELECT last_sequence FROM sessions WHERE id = ?", (session_id,)))[0]
    encoder = BatchEncoder(
        session_id, NameIds((name, id_) for name, id_ in names), RegistrationIds(known, registrations)
    )
    return encoder, int(sequence)
