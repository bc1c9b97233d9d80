"""Arguments of the tools. Each field is plain: an assistant leaves out what it does not need."""

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hassette_sync.control import Verb
from hassette_sync.errors import BadQuestionError

_MAX_TEXT = 1_000
_EXPECTED = re.compile(r"^(Input|String) should ")

Words = Annotated[str, Field(max_length=_MAX_TEXT)]
IdText = Annotated[str, Field(pattern=r"^[0-9]{1,19}$", description="An id from another answer.")]
OptionalIdText = Annotated[str, Field(pattern=r"^([0-9]{1,19})?$")]
_TIME = "a time such as 07:00, monday 22:30 or 2026-01-31T18:00, or an age such as 24h or 7d"
_SPAN = "a day, a part of it or a span, such as yesterday, last night or 03:00 to 04:30"


class Arguments(BaseModel):
    """Base class of the arguments of a tool."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


class RangeArguments(Arguments):
    """A time range."""

    since: Words = Field("", description=f"Start: {_TIME}. Default: 24h.")
    until: Words = Field("", description=f"End: {_TIME}. Default: now.")


class ListArguments(RangeArguments):
    """A time range, or the minutes around a moment, and a page of a list."""

    at: Words = Field(
        "", description=f"The five minutes before and after {_TIME}; or {_SPAN}. It replaces since and until."
    )
    limit: int = Field(20, ge=1, le=100, description="Maximum number of entries.")
    cursor: Words = Field("", description="next_cursor of the previous answer, for older entries.")


class SearchRunsArguments(ListArguments):
    """Filters on runs."""

    app: Words = Field("", description="Key of an app.")
    of: Words = Field("", description="A handler or job: APP.HANDLER, or its id.")
    kind: Literal["", "handler", "job"] = Field("", description="Only runs of handlers, or of jobs.")
    status: Words = Field("", description="success, error, cancelled, timed_out, interrupted, or failed.")
    text: Words = Field("", description="Text in a name, entity, state, event type, error, call or log line.")
    entity: Words = Field("", description="Only runs that this entity triggered.")
    min_duration_ms: float = Field(0, ge=0, le=1e12, description="Only runs that took at least this long.")


class ShowRunArguments(Arguments):
    """One run."""

    id: IdText


class WhyArguments(Arguments):
    """The subject of the question why: exactly one of entity, service and text."""

    entity: Words = Field("", description="Id such as light.hall, or words of its name.")
    service: Words = Field("", description="Service such as light.turn_on, to explain its calls.")
    text: Words = Field("", description="Text of a log line, to explain it.")
    at: Words = Field("", description=f"The moment: {_TIME}; or {_SPAN}. Default: the newest change.")
    state: Words = Field("", description="Only changes to this state, such as on.")
    limit: int = Field(3, ge=1, le=20, description="Maximum number of findings.")


class WhyNotArguments(Arguments):
    """The handler or job that did not run."""

    of: str = Field(min_length=1, max_length=_MAX_TEXT, description="APP, APP.HANDLER, APP.INSTANCE.HANDLER, or an id.")
    at: Words = Field(
        "", description=f"The moment: {_TIME}; or {_SPAN}. Default: the last hour, or for a job the last day."
    )


class AskArguments(Arguments):
    """A question in words."""

    words: str = Field(min_length=1, max_length=_MAX_TEXT, description="The question, as a person writes it.")


class ErrorsArguments(RangeArguments):
    """A list of errors, or one error."""

    since: Words = Field("", description=f"Start: {_TIME}. Default: 30d.")
    id: OptionalIdText = Field("", description="Id of an error, to show its traceback and newest runs.")
    limit: int = Field(10, ge=1, le=100, description="Maximum number of errors.")


class CompareArguments(RangeArguments):
    """The periods to compare."""

    since: Words = Field("", description=f"Start: {_TIME}. Default: 7d.")
    against: Literal["period", "version"] = Field(
        "period", description="The previous period of the same length, or the previous version of each app."
    )
    limit: int = Field(10, ge=1, le=100, description="Maximum number of handlers and jobs, and of errors.")


class LogsArguments(ListArguments):
    """Filters on log lines."""

    text: Words = Field("", description="Text of the line. Case does not matter.")
    level: Literal["", "debug", "info", "warning", "error", "critical"] = Field("", description="Lowest level.")
    app: Words = Field("", description="Key of an app.")
    of: Words = Field("", description="A handler or job: APP.HANDLER, or its id.")
    run: OptionalIdText = Field("", description="Id of a run.")


class NotRunArguments(ListArguments):
    """Filters on triggers that led to no run."""

    app: Words = Field("", description="Key of an app.")
    of: Words = Field("", description="A handler or job: APP.HANDLER, or its id.")
    reason: Words = Field("", description="Reason such as condition, rate_limited, overlap or misfire.")
    entity: Words = Field("", description="Entity of the event.")


class SourceArguments(Arguments):
    """One handler or job."""

    of: str = Field(min_length=1, max_length=_MAX_TEXT, description="APP.HANDLER, APP.INSTANCE.HANDLER, or an id.")


class ControlArguments(Arguments):
    """An action on the running framework."""

    action: Verb = Field(description="The action.")
    target: str = Field(
        min_length=1, max_length=_MAX_TEXT, description="APP.JOB for a job, APP for an app, or the id of an error."
    )
    seconds: int = Field(0, ge=0, description="Length of the silence of an error.")


ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)


def parsed(model: type[ArgumentsT], arguments: dict[str, Any]) -> ArgumentsT:
    """Convert the arguments of a call.

    Raises:
        BadQuestionError: An argument is unknown, missing or invalid. The message names it.
    """
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in found["loc"])[:100] or "arguments"
        known = ", ".join(model.model_fields)
        if found["type"] == "extra_forbidden":
            raise BadQuestionError(f"{key} is not an argument; the arguments are: {known}.") from None
        if found["type"] == "missing":
            raise BadQuestionError(f"must be given; the arguments are: {known}.", parameter=key) from None
        expected = _EXPECTED.sub("", found["msg"])
        raise BadQuestionError(f"must {expected}, got {str(found['input'])[:40]!r}.", parameter=key) from None


def schema_of(model: type[Arguments]) -> dict[str, Any]:
    """Return the JSON schema of the arguments, without titles."""
    schema = model.model_json_schema()
    properties = {name: _without_title(one) for name, one in schema.get("properties", {}).items()}
    plain: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**plain, "required": schema["required"]} if "required" in schema else plain


def _without_title(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}
