"""Secrets in the output of the process are masked."""

import io
import sys
from typing import TextIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.redaction import Redaction, redact_output
from hassette_core.redaction.output import LONGEST_LINE, RedactedStream

SECRET = "hunter22"
redact = Redaction({SECRET})


@given(st.lists(st.sampled_from(["the ", "hun", "ter22", SECRET, "\n", "end", ""]), max_size=30))
def test_secret_is_masked_even_if_it_is_written_in_pieces(pieces: list[str]) -> None:
    out = io.StringIO()
    stream = RedactedStream(out, redact)
    assert [stream.write(piece) for piece in pieces] == [len(piece) for piece in pieces]
    stream.flush()
    assert out.getvalue() == redact("".join(pieces))


def test_line_appears_when_it_is_complete_or_flushed() -> None:
    out = io.StringIO()
    stream = RedactedStream(out, redact)
    stream.writelines(["one\ntwo", " three"])
    assert out.getvalue() == "one\n"
    stream.flush()
    assert out.getvalue() == "one\ntwo three"


def test_line_without_an_end_is_not_held_for_ever() -> None:
    out = io.StringIO()
    stream = RedactedStream(out, redact)
    stream.write("x" * (LONGEST_LINE + 1))
    assert len(out.getvalue()) == LONGEST_LINE + 1


def test_stream_has_the_attributes_of_the_stream_behind_it(capsys: pytest.CaptureFixture[str]) -> None:
    stream = RedactedStream(sys.stderr, redact)
    assert stream.isatty() is False
    assert stream.encoding == sys.stderr.encoding


def test_both_streams_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    redact_output(redact)
    print(f"one {SECRET}")
    print(f"two {SECRET}", file=sys.stderr)
    assert (out.getvalue(), err.getvalue()) == ("one •••\n", "two •••\n")


@pytest.mark.parametrize("secrets", [{SECRET}, set[str]()])
def test_process_without_a_console_or_a_secret_keeps_its_streams(
    monkeypatch: pytest.MonkeyPatch, secrets: set[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", cast("TextIO", None))
    monkeypatch.setattr(sys, "stderr", err := cast("TextIO", None if secrets else io.StringIO()))
    redact_output(Redaction(secrets))
    assert sys.stdout is None
    assert sys.stderr is err
