"""Render the answers to *why*, *why not*, *what failed* and *compare* for the terminal."""

from collections.abc import Iterator
from typing import Final

from hassette_sync.answers.asked import Asked, WhatFailed
from hassette_sync.answers.comparison import ComparedRegistration, Comparison
from hassette_sync.answers.explanations import CauseKind, Explained, StateChange, Why, WhyNot, WhyNotCheck
from hassette_sync.formatting import ago, app_title, duration, label, number, plural, reason_label, status_label
from hassette_sync.home_time import ShownTimes
from hassette_sync.questions.steps import Step, steps_of, target_text
from hassette_sync.terminal.colours import Style, styled
from hassette_sync.terminal.render import runs
from hassette_sync.terminal.tables import TableColumn, plain, table

_KINDS: Final[dict[CauseKind, str]] = {"app": "your app", "scheduled": "schedule"}
_RESULTS: Final[dict[str, tuple[str, str, Style]]] = {
    "yes": ("✓", "Yes", "green"),
    "no": ("✗", "No", "red"),
    "unknown": ("?", "Unknown", "yellow"),
}
_MAX_OTHERS: Final = 10
_FINDING_STYLES: Final[dict[str, Style]] = {
    **dict.fromkeys(("slower", "failing more", "new", "back", "silent"), "red"),
    **dict.fromkeys(("faster", "failing less", "resolved"), "green"),
}
_COMPARED_COLUMNS = (
    TableColumn("ID", right=True),
    TableColumn("Handler or job", can_be_cut=True, is_name=True),
    TableColumn("Difference", styles=_FINDING_STYLES),
    TableColumn("Runs", right=True),
    TableColumn("Runs before", right=True, drop_order=4),
    TableColumn("Failures", right=True, drop_order=1),
    TableColumn("Failures before", right=True, drop_order=5),
    TableColumn("p95", right=True, drop_order=2),
    TableColumn("p95 before", right=True, drop_order=6),
    TableColumn("Last run", drop_order=3),
)
_GROUP_COLUMNS = (
    TableColumn("ID", right=True),
    TableColumn("Error, sample message", can_be_cut=True),
    TableColumn("Difference", styles=_FINDING_STYLES),
    TableColumn("Failures", right=True),
    TableColumn("Before", right=True),
    TableColumn("First seen", drop_order=2),
    TableColumn("Last seen", drop_order=1),
    TableColumn("Last run", drop_order=3),
)


def why(answer: Why, shown: ShownTimes, width: int | None = None) -> str:
    """Render the answer to *why*: a sentence, the chain back to the first cause, and other findings."""
    lines = [styled(plain(answer.sentence), "bold"), _searched(answer, shown)]
    if answer.suggestions:
        lines += ["", "Other entities that fit these words:" if answer.entity is not None else "Did you mean:"]
        lines += [f"  {plain(one.entity_id)}  {plain(one.name)}".rstrip() for one in answer.suggestions]
    for found in answer.found[:1]:
        lines += ["", *_finding(found, answer.sentence, shown, width)]
    if others := answer.found[1:]:
        lines += ["", "Nearest to this time" if answer.at_us is not None else "Before that"]
        lines += [_brief(found, shown) for found in others[:_MAX_OTHERS]]
    more = answer.more + max(len(answer.found) - 1 - _MAX_OTHERS, 0)
    if more:
        lines.append(f"  {plural(more, 'more change or call', 'more changes or calls')} in this time.")
    if answer.before_us is not None:
        lines += ["", f"{answer.label_before}: {shown(answer.before_us)}"]
    if answer.after_us is not None:
        lines += ["", f"{answer.label_after}: {shown(answer.after_us)}"]
    if answer.missing:
        lines += ["", "Not recorded", *(f"  {plain(one)}" for one in answer.missing)]
    return "\n".join(lines)


def _searched(answer: Why | WhyNot | WhatFailed, shown: ShownTimes) -> str:
    return f"Searched {shown.span(answer.since_us, answer.until_us)}. Time zone: {shown.home.label}"


def _finding(found: Explained, headline: str, shown: ShownTimes, width: int | None) -> Iterator[str]:
    if found.sentence != headline:
        yield plain(found.sentence)
    for step in steps_of(found):
        yield _step(step, shown)
    if not found.is_complete:
        missing = f": {found.missing}" if found.missing else ""
        yield f"{styled('unknown', 'yellow')}  The chain breaks off{plain(missing)}"
    if found.reactions:
        yield ""
        yield f"{plural(len(found.reactions), 'run')} reacted to it"
        yield runs(found.reactions, shown, width)
    if found.not_run:
        yield ""
        yield f"{plural(len(found.not_run), 'handler')} listened, but did not run"
    for one in found.not_run:
        detail = f": {one.detail}" if one.detail else ""
        yield plain(f"  {one.registration.title}  {reason_label(one.reason)}{detail}")


def _step(step: Step, shown: ShownTimes) -> str:
    mark = "●" if step.is_effect else "◆" if step.change else "↳"
    when = "" if step.at_us is None else shown(step.at_us)
    text = plain(_step_text(step))
    return f"{when:>15}  {'  ' * step.depth}{mark} {styled(text, 'bold') if step.is_effect else text}"


def _step_text(step: Step) -> str:
    cause = step.cause
    if step.change is not None:
        return f"{change_text(step.change)}{' (the device itself)' if cause else ''}"
    if cause is not None:
        title = cause.title if cause.kind != "unknown" else cause.text
        ran = ""
        if cause.run is not None:
            ran = f" ran {duration(cause.run.duration_us)}: {status_label(cause.run.status)} (run {cause.run.id})"
        detail = f" · {cause.detail}" if cause.detail else ""
        return f"{_KINDS.get(cause.kind, cause.kind)}: {title}{ran}{detail}"
    if step.call is not None:
        target = f" for {target_text(step.call.target)}" if step.call.target else ""
        error = f", failed: {step.call.error}" if step.call.error else ""
        return f"{'rehearsed' if step.call.rehearsed else 'called'} {step.call.service}{target}{error}"
    return step.text


def _brief(found: Explained, shown: ShownTimes) -> str:
    if found.change is not None:
        what = change_text(found.change)
    elif found.call is not None:
        what = f"{found.call.service}{f' for {target_text(found.call.target)}' if found.call.target else ''}"
    else:
        what = found.text or ""
    cause = "cause not known"
    if found.causes and found.causes[0].kind != "unknown":
        cause = found.causes[0].title
    return plain(f"  {shown(found.at_us)}  {what}  {cause}")


def change_text(change: StateChange) -> str:
    """Describe a change: the entity, its name and area, and both states."""
    entity = change.entity
    named = f" ({', '.join(text for text in (entity.name, entity.area) if text)})" if entity.name or entity.area else ""
    old, new = ("?" if state is None else state for state in (change.old_state, change.new_state))
    return f"{entity.entity_id}{named} {old} → {new}"


def why_not(answer: WhyNot, shown: ShownTimes, width: int | None = None) -> str:
    """Render the answer to *why not*: a sentence, and the checks on the way of the trigger."""
    lines = [styled(plain(answer.sentence), "bold")]
    if answer.registration is not None:
        lines += [plain(f"{answer.registration.title}  {answer.listens_to}"), _searched(answer, shown)]
    if answer.suggestions:
        title = "Did you mean:" if answer.registration is None else "Other handlers and jobs that change it:"
        lines += ["", title, *(plain(f"  {ref.title}") for ref in answer.suggestions)]
    if answer.checks:
        lines += ["", "Needed for a run", *(_check(check, shown) for check in answer.checks)]
    if answer.last_run is not None:
        last = answer.last_run
        when = f"{shown(last.ended_us)}, {ago(last.ended_us, now_us=shown.now_us)}"
        lines += ["", f"It last ran at {when}: {status_label(last.status)} (run {last.id})"]
    if answer.not_run:
        lines += ["", "Triggers that led to no run"]
    for one in answer.not_run:
        trigger = f"  {one.trigger.title(shown)} {one.trigger.change or ''}" if one.trigger else ""
        lines.append(plain(f"  {shown(one.at_us)}  {one.detail or reason_label(one.reason)}{trigger}").rstrip())
    if answer.changes:
        lines += ["", "Changes that it listens to"]
        lines += [plain(f"  {shown(change.at_us)}  {change_text(change)}") for change in answer.changes]
    if answer.runs:
        lines += ["", "It did run", runs(answer.runs, shown, width)]
    return "\n".join(lines)


def what_failed(answer: WhatFailed, shown: ShownTimes, width: int | None = None) -> str:
    """Render the failed runs: a sentence, the errors, and the runs with their ids."""
    lines = [styled(plain(answer.sentence), "bold"), _searched(answer, shown)]
    if answer.suggestions:
        lines += ["", "Did you mean:", *(plain(f"  {ref.title}") for ref in answer.suggestions)]
    if answer.errors:
        lines += ["", "Errors"]
    for one in answer.errors:
        mark = styled("new", "red") + "  " if one.is_new else styled("back", "red") + "  " if one.is_back else ""
        count = plural(one.group.recent, "failure")
        text = plain(
            f"{one.group.type}, e.g. {one.group.sample_message}" if one.group.sample_message else one.group.type
        )
        lines.append(f"  {mark}{text}: {count}, first seen {shown(one.group.first_seen_us)} (error {one.group.id})")
    if answer.runs:
        lines += ["", "Failed runs", runs(answer.runs, shown, width)]
    if answer.rest:
        lines.append(answer.rest)
    if answer.last_before is not None:
        when = shown(answer.last_before.ended_us)
        lines += ["", f"The last {answer.noun} before that time: {when} (run {answer.last_before.id})"]
    if answer.failed_starts:
        lines += ["", "Apps that failed to start"]
        lines += [
            plain(f"  {shown(one.at_us)}  {app_title(one.subject)}: {one.detail}") for one in answer.failed_starts
        ]
    return "\n".join(lines)


def asked(answer: Asked, shown: ShownTimes, width: int | None = None) -> str:
    """Render the answer to a question in words."""
    if answer.elsewhere is not None:
        return f"{styled(plain(answer.elsewhere.sentence), 'bold')}\n\nThe command: {plain(answer.elsewhere.command)}"
    if answer.what_failed is not None:
        return what_failed(answer.what_failed, shown, width)
    if answer.why_not is not None:
        return why_not(answer.why_not, shown, width)
    return why(answer.why, shown, width) if answer.why is not None else ""


def _check(check: WhyNotCheck, shown: ShownTimes) -> str:
    mark, result, style = _RESULTS[check.result]
    when = "" if check.at_us is None else f"  {shown(check.at_us)}"
    detail = f" {check.detail}" if check.detail else ""
    return f"  {styled(mark, style)} {plain(check.question)} {styled(result, style)}.{plain(detail)}{when}"


def comparison(answer: Comparison, shown: ShownTimes, width: int | None = None) -> str:
    """Render a comparison: the differences of handlers, jobs and error groups."""
    since, until, before = (
        shown(us, seconds=False) for us in (answer.since_us, answer.until_us, answer.before_since_us)
    )
    against = f"the period from {before}" if answer.against == "period" else "the previous version of each app"
    lines = [f"{since} to {until}, compared with {against}: {plural(answer.found, 'difference')}"]
    if answer.registrations:
        rows = [_compared(one, shown) for one in answer.registrations]
        lines += ["", table(_COMPARED_COLUMNS, rows, width), ""]
        changed = [one for one in answer.registrations if one.findings != ("unchanged",)]
        lines += [plain(f"  {one.registration.title}: {one.sentence}") for one in changed]
    if answer.groups:
        rows = [
            (
                str(one.id),
                f"{one.type}, e.g. {one.message}" if one.message else one.type,
                label(one.finding),
                number(one.now),
                number(one.before),
                shown(one.first_seen_us),
                shown(one.last_seen_us),
                str(one.last_run_id),
            )
            for one in answer.groups
        ]
        lines += ["", table(_GROUP_COLUMNS, rows, width)]
    return "\n".join(lines)


def _compared(one: ComparedRegistration, shown: ShownTimes) -> tuple[str, ...]:
    return (
        str(one.registration.id),
        one.registration.title,
        ", ".join(map(label, one.findings)),
        number(one.now.counts.total),
        number(one.before.counts.total),
        number(one.now.counts.failed),
        number(one.before.counts.failed),
        duration(one.now.p95_us),
        duration(one.before.p95_us),
        shown(one.last_run_us),
    )
