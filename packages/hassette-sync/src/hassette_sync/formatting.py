"""Format numbers, durations and names for the terminal and the pages. `hassette_sync.home_time` formats times."""

from hassette_store.periods import DAY_US, HOUR_US, MINUTE_US, SECOND_US

_STATUS_LABELS = {
    "success": "ok",
    "error": "error",
    "cancelled": "cancelled",
    "timed_out": "timed out",
    "interrupted": "interrupted",
    "failed": "all failures",
}
_REASON_LABELS = {
    "queue_full_count": "queue full",
    "queue_full_bytes": "queue full (memory)",
    "rejected_row": "rejected by the database",
    "file_lost": "the database file was removed or replaced",
    "late_effect": "arrived after the run was recorded",
    "condition": "a condition did not hold",
    "predicate_failed": "condition raised an error",
    "loop": "triggered itself too often",
    "slow_reader": "Home Assistant discarded them, because they were read too slowly",
}
_FAILURE_LABELS = {
    "exception": "exception in a run",
    "hassette": "error of Hassette's API",
    "dependency": "argument of a handler was missing",
    "timeout": "run exceeded its deadline",
    "exit": "run tried to end the process",
}
_EVENT_LABELS = {
    "control_run_job": "job started by hand",
    "control_pause_job": "job paused",
    "control_resume_job": "job resumed",
    "control_enable_app": "app enabled",
    "control_disable_app": "app disabled",
    "control_reload_app": "app reloaded",
    "control_rehearse_app": "rehearsal began",
    "control_end_rehearsal": "rehearsal ended",
    "control_silence_error": "error silenced",
    "control_end_silence": "silence ended",
}
QUESTION_SUBJECTS = {"q": "The question", "moment": "The time in the question"}
"""Words for the parameters of a question in words, in messages."""
_GROUP_LABELS = {"control": "action", "deploy": "version"}
INCIDENT_LABELS = {
    "database_replaced": "Another program removed, replaced or changed the database file while Hassette was running",
    "database_recovered": "The database was damaged or missing and was replaced",
    "database_merged": "Runs that were recorded in a second file were added to the history",
    "database_upgraded": "The database was upgraded",
}
"""Sentences for incidents of the database file, by the kind of the lifecycle event."""


def duration(us: int | None) -> str:
    """Format a duration: ``900 µs``, ``1.2 ms``, ``12 ms``, ``1.2 s``, ``2 min 5 s``, ``3 h 20 min``, ``4 d 2 h``."""
    if us is None:
        return "–"
    if us < 1_000:
        return f"{us} µs"
    # The limits lie below the round numbers, so that no value rounds to "10.0 ms" or "1000 ms".
    if us < 9_950:
        return f"{us / 1_000:.1f} ms"
    if us < 999_500:
        return f"{us / 1_000:.0f} ms"
    if us < MINUTE_US:
        return f"{us / SECOND_US:.1f} s"
    if us < HOUR_US:
        return _two_units(us // MINUTE_US, "min", us % MINUTE_US // SECOND_US, "s")
    if us < DAY_US:
        return _two_units(us // HOUR_US, "h", us % HOUR_US // MINUTE_US, "min")
    return _two_units(us // DAY_US, "d", us % DAY_US // HOUR_US, "h")


def _two_units(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit}" + (f" {small} {small_unit}" if small else "")


def ago(us: int | None, *, now_us: int) -> str:
    """Format the distance of a moment from now: ``just now``, ``12 s ago``, ``in 3 min``."""
    if us is None:
        return "never"
    distance = now_us - us
    if abs(distance) < SECOND_US:
        return "just now"
    length = rough_duration(abs(distance))
    return f"{length} ago" if distance > 0 else f"in {length}"


def rough_duration(us: int) -> str:
    """Format a duration in one unit: ``12 s``, ``3 min``, ``5 h``, ``2 d``."""
    for unit, name, next_unit in ((SECOND_US, "s", MINUTE_US), (MINUTE_US, "min", HOUR_US), (HOUR_US, "h", DAY_US)):
        if us < 2 * next_unit:
            return f"{us // unit} {name}"
    return f"{us // DAY_US} d"


def number(value: int) -> str:
    """Format a count: ``1,234``."""
    return f"{value:,}"


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Format a count with its noun: ``1 crash``, ``1,234 runs``. ``nouns`` is an irregular plural."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


_RECORD_NOUNS = {
    "lifecycle": ("event", "events"),
    "registered": ("registration", "registrations"),
    "retired": ("end of a registration", "ends of registrations"),
    "skipped": ("trigger without a run", "triggers without a run"),
    "not_runs": ("trigger without a run", "triggers without a run"),
    "summaries": ("summary of runs", "summaries of runs"),
    "losses": ("loss", "losses"),
    "framework_log": ("log line of the framework", "log lines of the framework"),
}


def record_noun(what: str, count: int) -> str:
    """Return the noun for a number of lost records: ``log line`` for one of ``log_lines``."""
    one, several = _RECORD_NOUNS.get(what, (label(what).removesuffix("s"), label(what)))
    return one if count == 1 else several


def share(value: float | None) -> str:
    """Format a share: ``0 %``, ``0.3 %``, ``12 %``. Only an exact 0 or 1 becomes ``0 %`` or ``100 %``."""
    if value is None:
        return "–"
    percent = value * 100
    if percent in (0, 100):
        return f"{percent:.0f} %"
    if percent < 10:
        return f"{max(percent, 0.1):.1f} %"
    return f"{min(percent, 99.9):.1f} %" if percent > 99 else f"{percent:.0f} %"


def size(count: int) -> str:
    """Format a number of bytes: ``512 B``, ``1.2 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1_000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1_000
    return f"{value:.1f} GB"


def replace_surrogates(text: str) -> str:
    """Replace each lone surrogate, which UTF-8 cannot encode, by a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def status_label(value: str) -> str:
    """Return the label of a run's status: ``ok``, ``error``, ``timed out``."""
    return _STATUS_LABELS.get(value, label(value))


def reason_label(value: str) -> str:
    """Return the label of the reason why a trigger led to no run, or why records were lost."""
    return _REASON_LABELS.get(value, label(value))


def failure_label(value: str) -> str:
    """Return the label of the kind of a failure: ``exception in a run``, ``run exceeded its deadline``."""
    return _FAILURE_LABELS.get(value, label(value))


def event_label(kind: str) -> str:
    """Return the label of the kind of an event: ``job started by hand``, ``connection lost``."""
    return _EVENT_LABELS.get(kind, label(kind))


def group_label(group: str) -> str:
    """Return the label of a group of events: ``action`` for ``control``."""
    return _GROUP_LABELS.get(group, label(group))


def is_named_instance(app: str, instance: str) -> bool:
    """Return whether an instance has its own name, and not an empty one, ``default``, or that of the app."""
    return instance not in ("", "default", app)


def registration_title(app: str, instance: str, name: str) -> str:
    """Return the name of a handler or job as lists show it: ``app.name``, or ``app.instance.name``."""
    return f"{app}.{instance}.{name}" if is_named_instance(app, instance) else f"{app}.{name}"


def job_title(full: str) -> str:
    """Return the name of a job as lists show it. The full name is ``app.instance.name``."""
    app, _, rest = full.partition(".")
    instance, _, name = rest.partition(".")
    return registration_title(app, instance, name) if name else full


def app_title(subject: str) -> str:
    """Return the name of an app, with its instance only if that has a name. The full name is ``app.instance``."""
    app, _, instance = subject.partition(".")
    return subject if is_named_instance(app, instance) else app


def event_subject(kind: str, subject: str) -> str:
    """Return the subject of an event. Jobs and apps have the names of the lists: ``APP.JOB`` or ``APP.INSTANCE.JOB``.

    The subject is empty if the label of the event names it, as in ``hassette crashed``.
    """
    if subject == "hassette" and kind.startswith("hassette_"):
        return ""
    if kind.startswith("app_"):
        return app_title(subject)
    return job_title(subject) if kind.startswith("control_") and kind.endswith("_job") else subject


def label(value: str) -> str:
    """Return an identifier with spaces: ``rate_limited`` becomes ``rate limited``."""
    return value.replace("_", " ")
