"""Conversion of answers to JSON values."""

from pydantic import TypeAdapter

from hassette_sync.answers.values import Answer, json_values


def test_answer_that_was_read_as_a_part_of_another_is_converted() -> None:
    class Part(Answer):
        at_us: int

    class OtherPart(Answer):
        name: str

    parts = TypeAdapter(tuple[Part | OtherPart, ...]).validate_python(({"at_us": 1}, {"name": "hall"}))
    # pydantic 2.12 cannot convert an answer whose class is not built.
    assert {Part.__pydantic_complete__, OtherPart.__pydantic_complete__} == {False}
    assert json_values({"parts": parts}) == {"parts": [{"at_us": 1}, {"name": "hall"}]}
    assert {Part.__pydantic_complete__, OtherPart.__pydantic_complete__} == {True}
