"""Answer about one app."""

from pydantic import Field

from hassette_sync.answers.logs import Version
from hassette_sync.answers.registrations import AppSummary, Registration
from hassette_sync.answers.runs import Run
from hassette_sync.answers.values import Answer


class AppDetail(Answer):
    """One app in detail."""

    app: AppSummary = Field(description="The app with its figures in the time range.")
    registrations: tuple[Registration, ...] = Field(
        description="Its handlers and jobs, at most 500; retired ones only with runs in the time range."
    )
    more_registrations: bool = Field(description="Whether it has more handlers and jobs than are listed.")
    versions: tuple[Version, ...] = Field(description="Its newest versions, newest first; at most 5.")
    recent: tuple[Run, ...] = Field(description="Its newest runs in the time range, newest first; at most 10.")
    since_us: int = Field(description="Start of the time range.")
    until_us: int = Field(description="End of the time range.")
