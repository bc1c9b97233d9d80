"""Values that several answers share."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, cast

from pydantic import BaseModel, ConfigDict, PlainSerializer, TypeAdapter, WithJsonSchema

from hassette_sync.answers.descriptions import describe

ID_SCHEMA: Final = {"type": "string", "pattern": "^[0-9]{1,19}$", "examples": ["3766229139456005721"]}
Id = Annotated[
    int,
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(ID_SCHEMA, mode="serialization"),
]
"""An id: an `int` in Python, but a string in JSON, because JavaScript rounds numbers above 2**53."""


_ANY: Final[TypeAdapter[Any]] = TypeAdapter(Any)


class Answer(BaseModel):
    """Base class of all answers: immutable.

    Fields that end in ``_us`` are microseconds: times since the Unix epoch, and durations.

    The validator of an answer is built on first use, because a command needs only a few of them, and all of them take a
    quarter of the time of its start. A process that answers for long calls `build_answers`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="null", json_schema_extra=describe, defer_build=True
    )


def json_values(answer: object) -> Any:
    """Convert answers, also in sequences and mappings, to JSON values."""
    _build_classes_of(answer)
    return _ANY.dump_python(answer, mode="json")


def _build_classes_of(value: object) -> None:
    """Build the classes of answers. An answer that was read as a part of another may have a class that is not built.

    With pydantic 2.12, such an answer cannot be converted.
    """
    if isinstance(value, Answer):
        type(value).model_rebuild()
    elif isinstance(value, Mapping):
        _build_classes_of(tuple(cast("Mapping[object, object]", value).values()))
    elif isinstance(value, list | tuple):
        for one in cast("Sequence[object]", value):
            _build_classes_of(one)


def build_answers() -> None:
    """Build the validators of all imported answers, so that the first requests do not wait for them."""
    classes: list[type[Answer]] = [Answer]
    while classes:
        answer = classes.pop()
        classes += answer.__subclasses__()
        answer.model_rebuild()


class Counts(Answer):
    """Numbers of runs by status, including runs whose rows have been deleted."""

    success: int = 0
    error: int = 0
    cancelled: int = 0
    timed_out: int = 0
    interrupted: int = 0

    @property
    def total(self) -> int:
        """Number of all runs."""
        # A page asks for these two numbers thousands of times, and a loop over the names takes four times as long.
        return self.success + self.error + self.cancelled + self.timed_out + self.interrupted

    @property
    def failed(self) -> int:
        """Number of failed runs."""
        return self.error + self.timed_out + self.interrupted

    @property
    def failure_share(self) -> float:
        """Failed runs as a share of all runs, from 0 to 1."""
        return self.failed / self.total if self.total else 0.0


class Percentiles(Answer):
    """Percentiles of run durations by nearest rank, within 1 %; None without runs."""

    p50_us: int | None = None
    p95_us: int | None = None
    p99_us: int | None = None

    def at_most(self, max_us: int) -> "Percentiles":
        """Return the percentiles without their error above the longest duration, which is known exactly."""
        limited = (None if one is None else min(one, max_us) for one in (self.p50_us, self.p95_us, self.p99_us))
        return Percentiles(**dict(zip(("p50_us", "p95_us", "p99_us"), limited, strict=True)))
