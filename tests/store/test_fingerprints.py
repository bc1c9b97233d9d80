"""Fingerprints group failures with the same cause."""

from typing import Any

import pytest

from hassette_store.writing.fingerprints import fingerprint, normalised
from support.rows import Failure, Frame


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("light.hall is away", "light.attic_2 is away"),
        ("after 3 s", "after 11.5 s"),
        ("no key 'a'", "no key 'b c'"),
        ('no key "a"', 'no key "b"'),
        ("object at 0x7f31aa", "object at 0x11"),
        ("context 01HZX3ABCDEFGHJKMNPQRSTVWX", "context 01HZX4ABCDEFGHJKMNPQRSTVWX"),
        ("first line\nsecond", "first line\nanother"),
    ],
)
def test_variable_parts_of_a_message_do_not_change_the_fingerprint(one: str, other: str) -> None:
    assert fingerprint(Failure(message=one)) == fingerprint(Failure(message=other))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "timeout"},
        {"type": "ValueError"},
        {"message": "modulo by zero"},
        {"frames": ()},
    ],
    ids=str,
)
def test_kind_type_frames_and_message_change_the_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint(Failure()) != fingerprint(Failure()._replace(**change))


def test_line_numbers_and_directories_do_not_change_the_fingerprint() -> None:
    frames = (Frame("/config/apps/hall.py", 12, "f"), Frame("/config/apps/lamp.py", 5, "g"))
    moved = (Frame("/srv/apps/hall.py", 99, "f"), Frame("C:\\apps\\lamp.py", 6, "g"))
    assert fingerprint(Failure(frames=frames)) == fingerprint(Failure(frames=moved))


def test_only_the_innermost_frames_of_app_code_count() -> None:
    own = (Frame("/config/apps/hall.py", 12, "f"),)
    library = (
        Frame("/usr/lib/python3.11/json/decoder.py", 355, "raw_decode"),
        Frame("/srv/.venv/lib/python3.12/site-packages/aiohttp/client.py", 5, "get"),
        Frame("<frozen importlib._bootstrap>", 5, "load"),
    )
    outer = tuple(Frame("/config/apps/main.py", n, f"outer_{n}") for n in range(3))
    assert fingerprint(Failure(frames=own)) == fingerprint(Failure(frames=own + library))
    five = tuple(Frame("/config/apps/deep.py", n, f"deep_{n}") for n in range(5))
    assert fingerprint(Failure(frames=outer + five)) == fingerprint(Failure(frames=five))
    assert fingerprint(Failure(frames=library)) != fingerprint(Failure(frames=library[:1]))


def test_fingerprint_contains_its_version() -> None:
    assert fingerprint(Failure()).startswith("1:")


def test_message_is_normalised_as_documented() -> None:
    assert normalised("light.hall: 3 of 'x' at 0xff, deadbeef01 failed") == "#: # of # at #, # failed"
