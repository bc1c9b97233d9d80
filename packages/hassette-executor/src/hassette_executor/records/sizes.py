"""Estimates of the memory that records use, for the bounds in bytes."""

from collections.abc import Collection

from hassette_executor.records.failures import Failure
from hassette_executor.records.runs import Record

PLAIN_BYTES = 300
"""Estimate for a record without failure and effects: the tuple, its integers, and its share of the trigger."""
_FRAME_BYTES = 120
_ITEM_BYTES = 200


def size_of(record: Record) -> int:
    """Return an estimate of the memory that a record uses, in bytes."""
    size = PLAIN_BYTES + (_size_of_failure(record.failure) if record.failure is not None else 0)
    if record.effects is not None:
        for line in record.effects.log_lines:
            size += _ITEM_BYTES + len(line.logger) + len(line.message)
        for call in record.effects.service_calls:
            size += _ITEM_BYTES + len(call.domain) + len(call.service) + len(call.target) + len(call.data)
            size += len(call.error or "")
        for read in record.effects.state_reads:
            size += _ITEM_BYTES + len(read.entity_id) + len(read.state or "")
    return size


def _size_of_failure(failure: Failure) -> int:
    size = _ITEM_BYTES + len(failure.message) + _FRAME_BYTES * len(failure.frames)
    if failure.cause is not None:
        size += _size_of_failure(failure.cause)
    return size + sum(map(_size_of_failure, failure.group))


def total_size(records: Collection[Record], with_details: Collection[Record] | None = None) -> int:
    """Return an estimate of the memory that records use together, in bytes.

    Args:
        records: The records.
        with_details: Those of the records that have a failure or effects. With None, this function finds them.
    """
    if with_details is None:
        with_details = [record for record in records if record.failure is not None or record.effects is not None]
    return PLAIN_BYTES * (len(records) - len(with_details)) + sum([size_of(record) for record in with_details])
