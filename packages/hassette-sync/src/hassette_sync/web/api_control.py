"""Requests that change the running framework: routes of the API, and the form of the buttons on pages."""

from typing import Annotated, Final, get_args

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from pydantic import BaseModel, Field, field_validator
from starlette.responses import RedirectResponse, Response

from hassette_sync.control import ControlResult, Verb
from hassette_sync.ids import parse_id
from hassette_sync.service import LONGEST_SILENCE_S, DataSyncService
from hassette_sync.web.changes import Changer, Form
from hassette_sync.web.json_bodies import JsonRoute
from hassette_sync.web.notices import Notices
from hassette_sync.web.parameters import History, PathId, check_names
from hassette_sync.web.problems import Problem, problem

_STATUS: Final = {"not_found": 404, "conflict": 409, "unavailable": 503}
_MAX_NAME: Final = 1_000


class JobName(BaseModel, extra="forbid"):
    """The job of an action."""

    job: str = Field(
        description="``APP.JOB``, or ``APP.INSTANCE.JOB`` if several instances of the app have the job.",
        max_length=_MAX_NAME,
        examples=["motion_light.turn_off"],
    )


class SilenceLength(BaseModel, extra="forbid"):
    """The length of a silence."""

    seconds: int = Field(
        description="Length of the silence, in seconds.", ge=1, le=LONGEST_SILENCE_S, examples=[7_200], strict=True
    )

    @field_validator("seconds", mode="before")
    @classmethod
    def _whole_number(cls, value: object) -> object:
        # In JSON, 60.0 is the same number as 60. A strict integer refuses a float of Python.
        return int(value) if isinstance(value, float) and value.is_integer() else value


class ActionAnswer(BaseModel):
    """The effect of an action."""

    outcome: str = Field(
        description="``done``, or ``in_progress`` if the action has begun and continues after the answer.",
        pattern="^(done|in_progress)$",
        examples=["done"],
    )
    detail: str = Field(
        description="One sentence about the effect.", examples=["The job motion_light.hall.turn_off has started."]
    )


class AppControl(BaseModel):
    """The present state of one app of hassette.toml."""

    app: str = Field(description="The app's key.", examples=["motion_light"])
    enabled: bool = Field(description="Whether the app is enabled now.")
    rehearses: bool = Field(description="Whether at least one instance of the app rehearses.")
    status: str = Field(description="Status of its instances; the gravest one, if they differ.", examples=["running"])
    detail: str = Field(description="Reason for the status; may be empty.")


class PausedJob(BaseModel):
    """A job whose due runs are skipped until it is resumed."""

    app: str = Field(description="The app's key.")
    instance: str = Field(description="The app's instance.")
    name: str = Field(description="The job's name.")


class ControlState(BaseModel):
    """The present state of everything that can be controlled."""

    available: bool = Field(description="Whether this process can control the framework.")
    apps: list[AppControl] = Field(description="The apps of hassette.toml.")
    paused_jobs: list[PausedJob] = Field(description="The paused jobs.")


api_control = APIRouter(
    prefix="/api/v1",
    tags=["control"],
    dependencies=[Depends(check_names)],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
)
_actions = APIRouter(responses={202: {"model": ActionAnswer}}, route_class=JsonRoute)
control_form = APIRouter(include_in_schema=False)

_AppKey = Annotated[str, Path(description="The app's key in hassette.toml.", max_length=_MAX_NAME)]


@api_control.get("/control")
async def control_state(data: History) -> ControlState:
    """The apps that are enabled, disabled or rehearse, and the paused jobs. Empty outside the framework's process."""
    return ControlState(
        available=data.can_control,
        apps=[
            AppControl(app=one.app, enabled=one.enabled, rehearses=one.rehearses, status=one.status, detail=one.detail)
            for one in data.control.apps()
        ],
        paused_jobs=[
            PausedJob(app=app, instance=instance, name=name) for app, instance, name in data.control.paused_jobs()
        ],
    )


@_actions.post("/jobs/run", response_model=ActionAnswer)
async def run_job(data: History, who: Changer, body: JobName) -> Response:
    """Run a job now. Its schedule does not change."""
    return _answer(await data.act("run_job", body.job, who))


@_actions.post("/jobs/pause", response_model=ActionAnswer)
async def pause_job(data: History, who: Changer, body: JobName) -> Response:
    """Pause a job. The pause survives a restart. Due runs are skipped until the job is resumed."""
    return _answer(await data.act("pause_job", body.job, who))


@_actions.post("/jobs/resume", response_model=ActionAnswer)
async def resume_job(data: History, who: Changer, body: JobName) -> Response:
    """Resume a paused job."""
    return _answer(await data.act("resume_job", body.job, who))


@_actions.post("/apps/{app}/reload", response_model=ActionAnswer)
async def reload_app(data: History, who: Changer, app: _AppKey) -> Response:
    """Restart an app with its current code and settings. If the new version cannot start, the old one keeps running."""
    return _answer(await data.act("reload_app", app, who))


@_actions.post("/apps/{app}/enable", response_model=ActionAnswer)
async def enable_app(data: History, who: Changer, app: _AppKey) -> Response:
    """Start an app that was disabled."""
    return _answer(await data.act("enable_app", app, who))


@_actions.post("/apps/{app}/disable", response_model=ActionAnswer)
async def disable_app(data: History, who: Changer, app: _AppKey) -> Response:
    """Stop an app until it is enabled or Hassette restarts."""
    return _answer(await data.act("disable_app", app, who))


@_actions.post("/apps/{app}/rehearse", response_model=ActionAnswer)
async def rehearse_app(data: History, who: Changer, app: _AppKey) -> Response:
    """Let an app rehearse: record its changes to the home without sending them, until Hassette restarts."""
    return _answer(await data.act("rehearse_app", app, who))


@_actions.post("/apps/{app}/end-rehearsal", response_model=ActionAnswer)
async def end_rehearsal(data: History, who: Changer, app: _AppKey) -> Response:
    """End the rehearsal of an app. After a restart of Hassette, ``rehearse`` in hassette.toml applies again."""
    return _answer(await data.act("end_rehearsal", app, who))


@_actions.post("/errors/{id}/silence", response_model=ActionAnswer)
async def silence_error(data: History, who: Changer, id_: PathId, body: SilenceLength) -> Response:
    """Mark an error group as known for a time. Its failures are recorded as before."""
    return _answer(await data.act("silence_error", str(id_), who, seconds=body.seconds))


@_actions.post("/errors/{id}/end-silence", response_model=ActionAnswer)
async def end_silence(data: History, who: Changer, id_: PathId) -> Response:
    """End the silence of an error group."""
    return _answer(await data.act("end_silence", str(id_), who))


api_control.include_router(_actions)


def _answer(result: ControlResult) -> Response:
    if (status := _STATUS.get(result.outcome)) is not None:
        return problem(status, result.outcome, result.detail, headers={"retry-after": "5"} if status == 503 else None)
    answer = ActionAnswer(outcome=result.outcome, detail=result.detail)
    status = 202 if result.outcome == "in_progress" else 200
    return Response(answer.model_dump_json(), status, media_type="application/json")


@control_form.post("/control")
async def act_from_page(request: Request, who: Changer, form: Form) -> Response:
    """Carry out the action of a button, and return to its page, which shows the result as a notice."""
    data: DataSyncService = request.app.state.data
    verb = next((each for each in get_args(Verb) if each == form.get("action")), None)
    if verb is None:
        raise HTTPException(
            400, f"action must be one of {', '.join(get_args(Verb))}, got {form.get('action', '')[:40]!r}"
        )
    seconds = parse_id(form["seconds"], "seconds") if form.get("seconds") else None
    result = await data.act(verb, form.get("target", "")[:_MAX_NAME], who, seconds=seconds)
    notices: Notices = request.app.state.notices
    return RedirectResponse(
        notices.add_to(form.get("next", ""), result.detail, good=result.outcome not in _STATUS), 303
    )
