"""The tools: questions to the history, and the action of an assistant that may control the framework."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hassette_sync.answers.trends import ErrorTrend
from hassette_sync.answers.values import Answer, Counts
from hassette_sync.asked_time import AskedTime
from hassette_sync.assistants.arguments import (
    Arguments,
    AskArguments,
    CompareArguments,
    ControlArguments,
    ErrorsArguments,
    ListArguments,
    LogsArguments,
    NotRunArguments,
    RangeArguments,
    SearchRunsArguments,
    ShowRunArguments,
    SourceArguments,
    WhyArguments,
    WhyNotArguments,
)
from hassette_sync.home_time import HomeTime
from hassette_sync.ids import parse_id
from hassette_sync.questions.logs import LogFilter
from hassette_sync.questions.not_runs import NotRunFilter
from hassette_sync.questions.runs import RunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import AROUND_US, TimeRange, now_us
from hassette_sync.verdict import verdict_of

_MAX_UPCOMING: Final = 20
_UPCOMING_UNKNOWN: Final = "Only the running Hassette knows the next runs; this is a file."


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool.

    Attributes:
        data: Answers the questions.
        home: The home's time zone.
        by: Name of the assistant's user, for events.
    """

    data: DataSyncService
    home: HomeTime
    by: str

    def time_range(self, arguments: RangeArguments, default: str | None = None) -> TimeRange:
        """Return the time range; ``default`` is its start if there is none."""
        if isinstance(arguments, ListArguments) and arguments.at:
            return AskedTime.parse(arguments.at, now_us=now_us(), home=self.home).around(AROUND_US)
        return TimeRange.parse(arguments.since or default, arguments.until or None, home=self.home)

    async def registration_id(self, of: str) -> int | None:
        """Return the id of a handler or job; None for an empty name."""
        return (await self.data.registration_named(of)).id if of else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    """A tool.

    Attributes:
        name: Name of the tool.
        title: Title for people.
        description: Description for the assistant.
        arguments: Model of the arguments.
        answer: Answers a call. The values of the result may be models.
        changes: Whether the tool changes the running framework.
    """

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    answer: Callable[[ToolCall, Any], Awaitable[Mapping[str, object]]]
    changes: bool = False


async def _overview(call: ToolCall, arguments: RangeArguments) -> Mapping[str, object]:
    time_range = call.time_range(arguments)
    answer = await call.data.overview(time_range)
    noise = await call.data.noise(time_range)
    verdict, uptime = verdict_of(answer), answer.uptime
    return {
        "verdict": {"level": verdict.level, "title": verdict.title, "reasons": verdict.reasons},
        "now_us": answer.status.at_us,
        "time_zone": answer.status.time_zone.name,
        "session": answer.status.session,
        "notices": answer.status.notices,
        "since_us": answer.since_us,
        "until_us": answer.until_us,
        "runs": _counts(answer.counts),
        "durations": answer.percentiles,
        "uptime": {"share": uptime.share, "starts": uptime.starts, "crashes": uptime.crashes},
        "failing_now": [ref.title for ref in answer.failing_now],
        "errors": answer.errors,
        "silenced": {**_fields(answer.status.silenced), "failures": answer.silenced_failures},
        "running": answer.running.running,
        "upcoming": call.data.upcoming()[:_MAX_UPCOMING] if call.data.is_live else _UPCOMING_UNKNOWN,
        "apps_by_noise": noise.apps,
        "events": answer.lifecycle,
        "lost_records": answer.lost,
    }


def _fields(answer: Answer) -> dict[str, object]:
    """Return the fields of an answer, with ids as texts."""
    return answer.model_dump(mode="json")


def _counts(counts: Counts) -> dict[str, object]:
    return {"total": counts.total, "failed": counts.failed, **counts.model_dump()}


async def _search_runs(call: ToolCall, arguments: SearchRunsArguments) -> Mapping[str, object]:
    wanted = RunFilter(
        app=arguments.app or None,
        registration_id=await call.registration_id(arguments.of),
        kind=arguments.kind or None,
        status=arguments.status or None,
        text=arguments.text or None,
        entity_id=arguments.entity or None,
        min_duration_us=round(arguments.min_duration_ms * 1_000) or None,
    )
    time_range = call.time_range(arguments)
    page = await call.data.runs(wanted, time_range, cursor=arguments.cursor or None, limit=arguments.limit)
    return _fields(page)


async def _show_run(call: ToolCall, arguments: ShowRunArguments) -> Mapping[str, object]:
    run_id = parse_id(arguments.id, "run id")
    detail, waterfall = await call.data.run(run_id), await call.data.waterfall(run_id)
    return {"sentence": waterfall.sentence, "compared": waterfall.similar.sentence, **_fields(detail)}


async def _why(call: ToolCall, arguments: WhyArguments) -> Mapping[str, object]:
    answer = await call.data.why(
        entity=arguments.entity or None,
        service=arguments.service or None,
        text=arguments.text or None,
        state=arguments.state or None,
        at=await call.data.asked_time(arguments.at) if arguments.at else None,
        limit=arguments.limit,
    )
    return {"sentence": answer.sentence, **_fields(answer)}


async def _why_not(call: ToolCall, arguments: WhyNotArguments) -> Mapping[str, object]:
    at = await call.data.asked_time(arguments.at) if arguments.at else None
    answer = await call.data.why_not(arguments.of, at=at)
    return {"sentence": answer.sentence, **_fields(answer)}


async def _ask(call: ToolCall, arguments: AskArguments) -> Mapping[str, object]:
    answer = await call.data.ask(arguments.words)
    return {"sentence": answer.sentence, **_fields(answer)}


async def _errors(call: ToolCall, arguments: ErrorsArguments) -> Mapping[str, object]:
    time_range = call.time_range(arguments, default="30d")
    if arguments.id:
        return _fields(await call.data.error_group(parse_id(arguments.id, "error group id"), time_range))
    page = await call.data.error_groups(time_range, limit=arguments.limit)
    return {
        "errors": [
            {**_fields(group), **_course_of(trend)} for group, trend in zip(page.groups, page.trends, strict=True)
        ],
        "since_us": page.since_us,
        "until_us": page.until_us,
    }


def _course_of(trend: ErrorTrend) -> dict[str, object]:
    # The numbers of the picture would take much of the answer.
    return trend.model_dump(mode="json", exclude={"id", "points"})


async def _compare(call: ToolCall, arguments: CompareArguments) -> Mapping[str, object]:
    time_range = call.time_range(arguments, default="7d")
    versions = (await call.data.versions(limit=arguments.limit)).versions
    answer = await call.data.compare(time_range, against=arguments.against, limit=arguments.limit)
    return {**_fields(answer), "newest_versions": [one for one in versions if one.since_us >= time_range.since_us]}


async def _logs(call: ToolCall, arguments: LogsArguments) -> Mapping[str, object]:
    wanted = LogFilter(
        text=arguments.text or None,
        level=arguments.level or None,
        app=arguments.app or None,
        registration_id=await call.registration_id(arguments.of),
        run_id=parse_id(arguments.run, "run id") if arguments.run else None,
    )
    time_range = call.time_range(arguments, default="0" if arguments.run else None)
    page = await call.data.logs(wanted, time_range, cursor=arguments.cursor or None, limit=arguments.limit)
    return _fields(page)


async def _not_run(call: ToolCall, arguments: NotRunArguments) -> Mapping[str, object]:
    wanted = NotRunFilter(
        app=arguments.app or None,
        registration_id=await call.registration_id(arguments.of),
        reason=arguments.reason or None,
        entity_id=arguments.entity or None,
    )
    time_range = call.time_range(arguments)
    page = await call.data.not_runs(wanted, time_range, cursor=arguments.cursor or None, limit=arguments.limit)
    return {**_fields(page), "counts": (await call.data.skips(time_range))[: arguments.limit]}


async def _source_of_handler(call: ToolCall, arguments: SourceArguments) -> Mapping[str, object]:
    found = await call.data.registration_named(arguments.of)
    detail = await call.data.registration(found.id)
    one = detail.registration
    return {
        "registration": found,
        "listens_to": one.listens_to,
        "handler": one.handler,
        "settings": {setting.name: setting.value for setting in detail.settings},
        "source": detail.source or "The source is not known.",
        "versions": (await call.data.versions(found.app, limit=3)).versions,
    }


async def _control(call: ToolCall, arguments: ControlArguments) -> Mapping[str, object]:
    result = await call.data.act(arguments.action, arguments.target, call.by, seconds=arguments.seconds or None)
    return {"outcome": result.outcome, "detail": result.detail}


QUESTIONS: Final = (
    ToolDefinition(
        name="overview",
        title="Overview",
        description=(
            "Overall health: the gravest finding first, runs and failures, uptime, errors, runs in progress, next runs "
            "of jobs, and the apps that write most. Start here."
        ),
        arguments=RangeArguments,
        answer=_overview,
    ),
    ToolDefinition(
        name="search_runs",
        title="Search runs",
        description=(
            "Runs of handlers and jobs, newest first, with filters. To check whether a job ran last night, search for "
            "its runs."
        ),
        arguments=SearchRunsArguments,
        answer=_search_runs,
    ),
    ToolDefinition(
        name="show_run",
        title="Show a run",
        description=(
            "One run: its trigger, the runs that caused it, its failure, log lines and service calls, what it changed, "
            "the runs that its calls triggered (caused), and other runs of the same event (heard_by)."
        ),
        arguments=ShowRunArguments,
        answer=_show_run,
    ),
    ToolDefinition(
        name="why",
        title="Why did it happen?",
        description=(
            "Why an entity changed, a service was called, or a text was logged: the chain back to the first cause, "
            "which is a person, an app, a Home Assistant automation or script, a schedule, a device, or unknown."
        ),
        arguments=WhyArguments,
        answer=_why,
    ),
    ToolDefinition(
        name="why_not",
        title="Why did it not run?",
        description="Why a handler or job did not run: each check with its result, and the first reason as a sentence.",
        arguments=WhyNotArguments,
        answer=_why_not,
    ),
    ToolDefinition(
        name="ask",
        title="Ask in words",
        description=(
            "A question in words, as a person writes it: why did the hall light turn on last night, why did backup not "
            "run, what failed today and is it new, why did motion_light.on_motion fail at 03:12."
        ),
        arguments=AskArguments,
        answer=_ask,
    ),
    ToolDefinition(
        name="errors",
        title="Errors",
        description="Errors, most recently seen first, with counts and their first time; or one error by its id.",
        arguments=ErrorsArguments,
        answer=_errors,
    ),
    ToolDefinition(
        name="compare",
        title="Comparison",
        description=(
            "Handlers, jobs and errors that differ from the previous period or version: slower, failing more, silent, "
            "new, back, resolved. Against version: what changed since an app was edited."
        ),
        arguments=CompareArguments,
        answer=_compare,
    ),
    ToolDefinition(
        name="logs",
        title="Logs",
        description="Log lines of runs, apps and the framework, newest first; with at, those around a moment.",
        arguments=LogsArguments,
        answer=_logs,
    ),
    ToolDefinition(
        name="not_run",
        title="Not run",
        description="Triggers that led to no run, with the reasons, newest first, and their counts.",
        arguments=NotRunArguments,
        answer=_not_run,
    ),
    ToolDefinition(
        name="source_of_handler",
        title="Source of a handler",
        description="File, line and first lines of code of a handler or job, with its settings and newest versions.",
        arguments=SourceArguments,
        answer=_source_of_handler,
    ),
)
"""Tools that only read."""

CONTROL: Final = ToolDefinition(
    name="control",
    title="Change the running Hassette",
    description="Run, pause or resume a job; reload, enable, disable or rehearse an app; silence an error for a time.",
    arguments=ControlArguments,
    answer=_control,
    changes=True,
)
"""The tool that changes the running framework."""
