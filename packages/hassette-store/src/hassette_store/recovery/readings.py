"""Readings of a damaged file, and the pages of each table in a reading.

The readings are the file alone, and its write-ahead log over the file.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from hassette_store.file.side_files import with_suffix
from hassette_store.kinds import DETAILS, EVENT_TABLES, KINDS
from hassette_store.recovery.cells import TABLE_LEAF, TableFormat, begins_with_row, children_of
from hassette_store.recovery.log_relation import ComparedPages, relation_of
from hassette_store.recovery.owners import Claim, claims_of
from hassette_store.recovery.page_rows import rows_on
from hassette_store.recovery.pages import PageSource, count_pages, frames_of
from hassette_store.recovery.pointer_map import PageType, PointerMap
from hassette_store.recovery.union import NATURAL_KEYS, RowSource

_RUNS_AND_EVENTS: Final = (*(kind.runs_table for kind in KINDS), *DETAILS, *EVENT_TABLES)


@dataclass(frozen=True, slots=True)
class FileReading:
    """One way to read the damaged file.

    Attributes:
        pages: The pages.
        claims: The tables to which each page may belong.
        source: The source of the rows.
        pages_of_keys: The pages to read of tables with natural keys; None for all.
        pages_of_rows: The pages to read of all other tables; None for all.
        pages_of_runs: The pages to read of runs, events and details of runs; None for all.
        outdated: Pages that have a newer version in another reading. If such a page is unreadable, nothing is lost.
    """

    pages: PageSource
    claims: Mapping[int, list[Claim]]
    source: RowSource
    pages_of_keys: frozenset[int] | None = None
    pages_of_rows: frozenset[int] | None = None
    pages_of_runs: frozenset[int] | None = None
    outdated: frozenset[int] = frozenset()

    def pages_of(self, table: str) -> frozenset[int] | None:
        """Return the pages to read of a table; None for all."""
        if table in NATURAL_KEYS:
            return self.pages_of_keys
        return self.pages_of_runs if table in _RUNS_AND_EVENTS else self.pages_of_rows


@dataclass(frozen=True, slots=True)
class SortedPages:
    """Pages by table.

    Attributes:
        numbers: The pages of each table, in ascending order.
        incomplete: Tables with lost pages.
        copied: Tables with equal pages, so that one page was overwritten with a copy of the other.
    """

    numbers: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    incomplete: set[str] = field(default_factory=set[str])
    copied: set[str] = field(default_factory=set[str])


def readings_of(
    damaged: Path, formats: Mapping[str, TableFormat], roots: Mapping[str, int], files: ExitStack
) -> list[FileReading]:
    """Return the readings of a file, the newest first. A row that is in several readings comes from the first one.

    Args:
        damaged: The file. It may be missing if its log exists.
        formats: The tables to read.
        roots: Root page of each table and index in a new file.
        files: Closes the files at its end.

    Raises:
        OSError: A file cannot be opened.
    """
    file = _open(damaged, files)
    alone = PageSource(file, None, count_pages(file) if file else 0)
    claims = claims_of(alone, formats, roots)
    log = _open(with_suffix(damaged, "-wal"), files)
    frames = frames_of(log) if log else None
    if log is None or frames is None or not frames.newest:
        return [FileReading(alone, claims, RowSource(is_first=True))]
    both = PageSource(file, (log, frames.newest), frames.count)
    in_log = frozenset(frames.newest)
    both_claims = _with_guesses(both, claims_of(both, formats, roots), in_log, formats)
    relation = relation_of(ComparedPages(alone, claims, claims), ComparedPages(both, both_claims, in_log), formats)
    related, redated = relation.is_related, relation.redated
    log_over_file = FileReading(
        both,
        _merged(both_claims, claims),
        RowSource(is_first=related, is_related=related, redated=redated),
        pages_of_keys=None if related else in_log,
        pages_of_rows=in_log,
        pages_of_runs=in_log,
    )
    # If the log moves runs to other times, their statistics move, too, and would be copied a second time.
    rest = frozenset(range(1, alone.count + 1)) - in_log if related and redated else None
    file_alone = FileReading(
        alone,
        _merged(claims, both_claims),
        RowSource(is_first=not related, is_related=related, redated=redated),
        pages_of_rows=rest,
        outdated=in_log if related else frozenset(),
    )
    readings = [log_over_file, file_alone] if related else [file_alone, log_over_file]
    if frames.damaged:
        damaged_pages = frozenset(frames.damaged)
        readings.append(
            FileReading(
                PageSource(file, (log, {**frames.newest, **frames.damaged}), frames.count),
                log_over_file.claims,
                RowSource(is_first=False, is_related=related, redated=redated, numbers=log_over_file.source.numbers),
                pages_of_keys=damaged_pages,
                pages_of_rows=damaged_pages,
                pages_of_runs=damaged_pages,
            )
        )
    return readings


def _open(path: Path, files: ExitStack) -> BinaryIO | None:
    try:
        return files.enter_context(path.open("rb", buffering=0))
    except FileNotFoundError:
        return None


def sort_pages(reading: FileReading, formats: Mapping[str, TableFormat], ends: float) -> SortedPages:
    """Return the pages of each table, and the tables with lost pages.

    Args:
        reading: The reading.
        formats: The tables.
        ends: Value of `time.monotonic` at which to stop.
    """
    result = SortedPages()
    pointers = PointerMap(reading.pages)
    owners: dict[int, str] = {}
    copies: defaultdict[int, list[int]] = defaultdict(list)
    unreadable: dict[int, list[Claim]] = {}
    for number, claims in sorted(reading.claims.items()):
        if time.monotonic() > ends:
            result.incomplete.update(formats)
            break
        page = reading.pages.read(number)
        fitting = [claim for claim in claims if _may_be(reading.pages, page, formats.get(claim.table))]
        if not fitting:
            unreadable[number] = claims
            continue
        if (best := _best(reading.pages, number, fitting, formats)) is None:
            continue
        owners[number] = best.table
        if any(page[3:5]):
            copies[hash(page)].append(number)
        elif pointers.entry(number)[0] == PageType.BELOW and number not in reading.outdated:
            # Only a root page may be empty, so this page was overwritten with an empty page.
            result.incomplete.update({best.table} & formats.keys())
    for numbers in copies.values():
        if len(numbers) > 1:
            result.copied.update(_drop_copies(reading, numbers, owners, formats))
    result.incomplete.update(result.copied)
    interiors = pointers.interiors() if unreadable else set[int]()
    for number, claims in unreadable.items():
        if number not in reading.outdated:
            tables = [formats[claim.table] for claim in claims if claim.table in formats and not claim.is_guess]
            # An interior page contains no rows, except in a table without row ids.
            result.incomplete.update(one.name for one in tables if number not in interiors or not one.has_row_ids)
    for number, table in sorted(owners.items()):
        if table in formats:
            result.numbers.setdefault(table, []).append(number)
    return result


def _with_guesses(
    pages: PageSource, claims: Mapping[int, list[Claim]], numbers: Iterable[int], formats: Mapping[str, TableFormat]
) -> dict[int, list[Claim]]:
    """Return claims with guesses for pages of rows in the log.

    If an older copy has replaced the file, the copy shows the former tables of these pages.
    """
    result = {number: list(found) for number, found in claims.items()}
    for number in numbers:
        if number in result and pages.read(number)[0] == TABLE_LEAF:
            known = {claim.table for claim in result[number]}
            guesses = (name for name, table in formats.items() if table.has_row_ids and name not in known)
            result[number].extend(Claim(name, is_guess=True) for name in guesses)
    return result


def _merged(claims: Mapping[int, list[Claim]], others: Mapping[int, list[Claim]]) -> dict[int, list[Claim]]:
    """Return the claims of both readings, the more certain ones first.

    If a checkpoint was interrupted, some pages of the file are newer than others. Only the log shows their tables.
    """
    merged = {number: list(found) for number, found in claims.items()}
    for number, found in others.items():
        known = {claim.table for claim in merged.get(number, ())}
        merged.setdefault(number, []).extend(claim for claim in found if claim.table not in known)
    return merged


def _may_be(pages: PageSource, page: bytes, table: TableFormat | None) -> bool:
    # The rows of an index are not decoded, so each page that an index claims may be a part of it.
    if table is None or page[0] == table.leaf:
        return True
    # A leaf that was overwritten with random bytes can begin like an interior page, but it names no existing pages.
    return page[0] == table.interior and all(
        0 < child <= pages.count for child, _ in children_of(page, table, pages.read, header_at=0)
    )


def _best(pages: PageSource, number: int, claims: list[Claim], formats: Mapping[str, TableFormat]) -> Claim | None:
    """Return the claim with the most rows on the page. A claim that is a guess needs at least one row."""
    if len(claims) == 1 and not claims[0].is_guess:
        page = pages.read(number)
        if page[0] != TABLE_LEAF or begins_with_row(page, formats.get(claims[0].table), pages.read):
            return claims[0]
        # For example, an older copy was written over a part of the file.
        claims = _with_guesses(pages, {number: claims}, [number], formats)[number]
    best, most = None, -1
    for claim in claims:
        table = formats.get(claim.table)
        rows = len(rows_on(pages, number, table).rows) if table else 0
        if rows > max(most, 0 if claim.is_guess else -1):
            best, most = claim, rows
    return best


def _drop_copies(
    reading: FileReading, numbers: list[int], owners: dict[int, str], formats: Mapping[str, TableFormat]
) -> set[str]:
    """Drop pages that were overwritten with a copy of another page; return the tables with such pages."""
    tables = {owners[number] for number in numbers}
    tables |= {claim.table for number in numbers for claim in reading.claims[number] if not claim.is_guess}
    if len(tables) > 1:
        for number in numbers:
            if not _keys_fit(reading, number, owners[number], formats):
                del owners[number]
    return {table for table in tables if table in formats and not reading.outdated.issuperset(numbers)}


def _keys_fit(reading: FileReading, number: int, table: str, formats: Mapping[str, TableFormat]) -> bool:
    """Return whether the keys on a page fit between the keys of the pages before and after it, if these are known."""
    claim = next((claim for claim in reading.claims[number] if claim.table == table), None)
    if claim is None:
        # Only the rows on the page show that it may belong to the table, so the other page is the original.
        return False
    if table not in formats:
        return True
    keys = [row[: formats[table].key_length] for row in rows_on(reading.pages, number, formats[table]).rows]
    return bool(keys) and (claim.low is None or claim.low < keys[0]) and (claim.high is None or keys[-1] <= claim.high)
