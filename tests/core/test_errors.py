"""Descriptions of errors."""

import errno

import pytest

from hassette_core.errors import MAX_DESCRIPTION, UnknownEntityError, describe_error


@pytest.mark.parametrize(
    ("error", "with_type", "without_type"),
    [
        (ValueError("no such\n  lamp"), "ValueError: no such lamp", "no such lamp"),
        (ValueError(), "ValueError", "ValueError"),
        (
            OSError(errno.EADDRINUSE, "Address already in use"),
            f"OSError: [Errno {errno.EADDRINUSE}] Address already in use",
            "Address already in use",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "history.db"),
            f"FileNotFoundError: [Errno {errno.ENOENT}] No such file or directory: 'history.db'",
            "No such file or directory: history.db",
        ),
    ],
    ids=["two lines", "no message", "system error", "system error with a file"],
)
def test_error_is_described_in_one_line(error: Exception, with_type: str, without_type: str) -> None:
    assert describe_error(error) == with_type
    assert describe_error(error, with_type=False) == without_type


def test_long_message_is_described_in_one_line_that_ends_at_a_space() -> None:
    text = describe_error(ValueError("secret " * 10_000_000))
    assert text.endswith("secret secret…")
    assert len(text) <= MAX_DESCRIPTION + 20


@pytest.mark.parametrize(
    ("message", "described"),
    [
        ("https://example.org/a?b=1&token=" + "x" * 3_000, "ValueError: https://example.org/a?b=1&…"),
        ("{'picture':'" + "aB3+/" * 1_000 + "'}", "ValueError: {'picture':'…"),
        ("x" * 10_000_000, "ValueError: … (10,000,000 characters)"),
        (" " * 5_000 + "lamp", "ValueError: … (5,004 characters)"),
    ],
    ids=["address", "base64 in a mapping", "one word", "white space"],
)
def test_long_message_without_a_space_is_cut_before_text_that_may_be_a_token(message: str, described: str) -> None:
    assert describe_error(ValueError(message)) == described


def test_unknown_entity_is_a_key_error_with_a_readable_message() -> None:
    error = UnknownEntityError("light.hall")
    assert isinstance(error, KeyError)
    assert str(error) == "Home Assistant has no entity 'light.hall'; states.get() returns None instead"
