"""Descriptions of errors."""

import errno

import pytest

from hassette_core.errors import MAX_DESCRIPTION, MAX_UNMASKED, UnknownEntityError, describe_error
from hassette_core.redaction import MASK, Redaction
from hassette_executor import redact_and_cut


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
    assert len(text) <= MAX_UNMASKED + 20


SECRETS = {
    "words": "correct horse battery staple",
    "signs": "a!b$c(d)e,f",
    "lines": "-----BEGIN KEY-----\nMIIEvQ IBADANBgkq\n  hkiG9w0B\n-----END KEY-----",
}


@pytest.mark.parametrize("start", [*range(MAX_DESCRIPTION - 60, MAX_DESCRIPTION, 7)])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_half_of_a_secret_is_left_where_the_description_is_cut(secret: str, start: int) -> None:
    text = redact_and_cut(
        describe_error(ValueError("x " * (start // 2) + secret + " y" * 2_000)), MAX_DESCRIPTION, Redaction({secret})
    )
    assert len(text) <= MAX_DESCRIPTION
    assert set(text.removeprefix("ValueError")) <= {*"x y:…", *MASK}


@pytest.mark.parametrize(
    ("message", "described"),
    [
        ("https://example.org/a?b=1&token=" + "x" * 30_000, "ValueError: https://example.org/a?b=1&…"),
        ("{'picture':'" + "aB3+/" * 10_000 + "'}", "ValueError: {'picture':'…"),
        ("x" * 10_000_000, "ValueError: … (10,000,000 characters)"),
        (" " * 50_000 + "lamp", "ValueError: … (50,004 characters)"),
    ],
    ids=["address", "base64 in a mapping", "one word", "white space"],
)
def test_long_message_without_a_space_is_cut_before_text_that_may_be_a_token(message: str, described: str) -> None:
    assert describe_error(ValueError(message)) == described


def test_unknown_entity_is_a_key_error_with_a_readable_message() -> None:
    error = UnknownEntityError("light.hall")
    assert isinstance(error, KeyError)
    assert str(error) == "Home Assistant has no entity 'light.hall'; states.get() returns None instead"
