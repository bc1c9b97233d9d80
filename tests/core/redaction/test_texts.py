"""Known secrets in texts."""

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest

from hassette_core.redaction import MASK, Redaction


def test_longer_of_two_overlapping_secrets_is_masked_whole() -> None:
    assert Redaction({"abc", "abcdef"})("x abcdef y abc") == f"x {MASK} y {MASK}"


@pytest.mark.parametrize("secret", ['hunter"2"', "it's\\so", "größer🔑"])
def test_secret_is_masked_in_quoted_texts_too(secret: str) -> None:
    redact = Redaction({secret})
    for text in (json.dumps({"a": secret}), json.dumps({"a": secret}, ensure_ascii=False), repr([secret]), secret):
        assert MASK in redact(text)


@pytest.mark.parametrize("secret", ['hunter"2" %&/+', "it's\\so, pä", "größer🔑", "open\udcffsesame"])
def test_secret_in_an_address_or_in_bytes_is_masked_whole(secret: str) -> None:
    redact = Redaction({secret})
    data = secret.encode("utf-8", "backslashreplace")
    for text in (quote(data), quote(data, safe=""), quote_plus(data), repr(data)[2:-1], ascii(secret)[1:-1]):
        assert redact(f"at {text}") == f"at {MASK}"


@pytest.mark.parametrize("secret", ["hunter22", "swordfish?>~?>~", "größer🔑"])
@pytest.mark.parametrize("around", [("", ""), ("user:", ""), ("a", "b"), ("ab", "yz?"), ("abc", "z")])
def test_secret_in_base64_is_masked(secret: str, around: tuple[str, str]) -> None:
    redact = Redaction({secret})
    before, after = around
    data = f"{before}{secret}{after}".encode()
    for text in (b64encode(data).decode(), urlsafe_b64encode(data).decode()):
        masked = redact(f"Basic {text}")
        assert MASK in masked
        # At most the characters of base64 that the neighbours share with the secret are left.
        assert len(masked) <= len("Basic ") + len(MASK) + -(-4 * (len(before) + len(after) + 3) // 3) + 4


def test_secret_of_several_lines_is_masked_in_one_line() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n\thkiG9w0B\n-----END KEY-----"
    assert Redaction({key})(f"bad key {' '.join(key.split())}") == f"bad key {MASK}"


@pytest.mark.parametrize("secret", [" " * 8, "a        ", "a       b", "1\n\n\n\n\n\n"])
def test_white_space_of_a_secret_does_not_mask_other_texts(secret: str) -> None:
    redact = Redaction.for_records({secret})
    assert redact("a b is 1 of 2") == "a b is 1 of 2"


@pytest.mark.parametrize("text", ["", "x", "Sesame-Open9", "a text without any secret"])
def test_text_without_a_secret_is_unchanged(text: str) -> None:
    assert Redaction({"Sesame-Open99"})(text) is text
    assert Redaction(())(text) is text


def test_redaction_for_records_does_not_mask_short_secrets() -> None:
    redact = Redaction.for_records({"1234", "123456"})
    assert redact("1234 and 123456") == f"1234 and {MASK}"
    assert not Redaction.for_records({"1234"})


def test_added_secrets_are_masked_as_if_they_were_there_from_the_start() -> None:
    redact = Redaction({"hunter22"})
    redact.add({"hunter22", "swordfish"})
    text = "hunter22 swordfish " + b64encode(b64encode(b"user:hunter22")).decode()
    assert redact(text) == Redaction({"hunter22", "swordfish"})(text)
