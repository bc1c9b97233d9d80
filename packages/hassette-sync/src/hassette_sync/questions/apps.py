"""The question about one app, and the search for a handler or job by its name."""

from hassette_sync.answers.apps import AppDetail
from hassette_sync.answers.kinds import Kind, RegistrationRef
from hassette_sync.answers.registrations import AppSummary
from hassette_sync.answers.values import Counts
from hassette_sync.errors import BadQuestionError, NotFoundError
from hassette_sync.formatting import plural, replace_surrogates
from hassette_sync.questions.names import near_names, registrations_named
from hassette_sync.questions.registrations import MAX_LISTED, app_summaries, registration_list
from hassette_sync.questions.rows import registration_ref
from hassette_sync.questions.runs import RunFilter, check_text, known_app, runs_page
from hassette_sync.questions.versions import versions_page
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import TimeRange

_VERSIONS = 5
_RECENT = 10
_MAX_NAMES = 5


async def app_detail(transaction: ReadTransaction, app: str, time_range: TimeRange | None = None) -> AppDetail:
    """Return one app with its handlers and jobs, its versions and its newest runs.

    Args:
        transaction: Read transaction of the question.
        app: Key of the app. Case matters only if several apps differ in nothing else.
        time_range: Time range of the figures and runs.

    Raises:
        NotFoundError: No app has this name.
    """
    check_text(app)
    app = await known_app(transaction, app)
    listed = await registration_list(transaction, time_range, app=app, idle=False, limit=MAX_LISTED)
    summary = next(iter(await app_summaries(transaction, time_range, app=app)), None)
    if summary is None:
        if not listed.registrations and not listed.hidden:
            raise NotFoundError("app", app)
        summary = AppSummary(app=app, instances=(), handlers=0, jobs=0, counts=Counts(), total_us=0)
    return AppDetail(
        app=summary,
        registrations=listed.registrations,
        more_registrations=listed.next_cursor is not None,
        versions=(await versions_page(transaction, app, limit=_VERSIONS)).versions,
        recent=(await runs_page(transaction, RunFilter(app=app), time_range, limit=_RECENT)).runs,
        since_us=listed.since_us,
        until_us=listed.until_us,
    )


async def registration_named(transaction: ReadTransaction, of: str, *, kind: Kind | None = None) -> RegistrationRef:
    """Return the handler or job with a name.

    Args:
        transaction: Read transaction of the question.
        of: ``APP.HANDLER``, ``APP.INSTANCE.HANDLER``, or the id of a handler or job. The name of an app is enough if it
            has only one.
        kind: Kind of the registration; None for both.

    Raises:
        BadQuestionError: The name is empty or too long, or fits several handlers or jobs, or one of the other kind.
        NotFoundError: The name fits none.
    """
    words = kind or "handler or job"
    check_text(of)
    of = replace_surrogates(of.strip())
    if not of:
        raise BadQuestionError(
            f"must be the name of a {words} such as motion_light.on_motion, got {of!r}.",
            parameter=kind or "of",
        )
    refs = [registration_ref(row) for row in await registrations_named(transaction, of)]
    found = [ref for ref in refs if kind is None or ref.kind == kind]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(ref.title for ref in found[:_MAX_NAMES])
        raise BadQuestionError(f"{of!r} fits {plural(len(found), words)}: {names}. Ask about one of them.")
    if refs:
        raise BadQuestionError(f"{of!r} must be a {words}, but it is a {refs[0].kind}.")
    raise NotFoundError(words, of, await near_names(transaction, of, kind))
