"""`Api`: Home Assistant's API for apps."""

from collections.abc import Callable
from typing import Any

from hassette_core.api.command_api import CommandApi
from hassette_core.api.history_api import HistoryApi
from hassette_core.api.requests import Requests
from hassette_core.api.service_api import ServiceApi
from hassette_core.api.state_api import StateApi
from hassette_core.app_component import AppComponent
from hassette_core.clock import SystemClock, TimerClock
from hassette_core.link import HomeAssistantLink
from hassette_core.unawaited import reports_unawaited
from hassette_executor import ServiceCall, record_service_call


@reports_unawaited("api")
class Api(ServiceApi, StateApi, HistoryApi, CommandApi, AppComponent, attribute="api"):
    """Home Assistant's API. Apps use it as `App.api`, and all apps share one object.

    - Services: `call_service`, `turn_on`, `turn_off`, `toggle`, `notify`.
    - States and events: `get_state`, `get_states`, `set_state`, `remove_state`, `fire_event`.
    - The past: `get_history`, `get_statistics`, `get_logbook`.
    - Everything else: `render_template`, `command`, `rest`.

    The methods can raise:

    - `NotConnectedError`: there is no connection, or the connection was lost before the answer. If the connection was
      lost, the attribute `sent` of the error is True, and Home Assistant may have carried out the request.
    - `CallFailedError`: Home Assistant refused the request. Its `reason` is Home Assistant's message.
    - `NoAnswerError`: Home Assistant did not answer in time.
    - `UnexpectedAnswerError`: the answer has an unknown shape.
    - `TypeError` or `ValueError`: an argument is wrong, or the data cannot be written as JSON. Service calls and events
      must not contain a NaN and must not be larger than 4 MB.

    An app rarely needs to catch these errors. If an app does not catch an error, the run fails and is recorded, and the
    next event is handled as usual.

    The record of a run contains its service calls, and also its written states, its fired events, its commands and its
    REST requests. These have the domain ``api`` in the record, for example ``api.fire_event``. An event that the app
    emits for other apps is recorded as ``bus.emit``.

    Args:
        link: The connection.
        clock: Dates and measures the calls, and ends the wait for their effect.
        begin: Called before each service call and each other change of the home.
        record: Called with each service call, even if the call failed. The default adds the service call to the record
            of the run that makes it.
        redact: Masks secrets in the recorded service calls.
    """

    def __init__(
        self,
        link: HomeAssistantLink,
        *,
        clock: TimerClock | None = None,
        begin: Callable[[], None] = lambda: None,
        record: Callable[[ServiceCall], None] = record_service_call,
        redact: Callable[[str], str] = str,
    ) -> None:
        requests = Requests(link, clock=clock or SystemClock(), begin=begin, record=record, redact=redact)
        super().__init__(requests, link.cache)

    @property
    def rehearsal_responses(self) -> dict[str, Any]:
        """The responses of services to apps that rehearse, by service, such as ``calendar.get_events``.

        A response may be a function, also an ``async def``: it receives the fields of the call, and returns the
        response. A call with ``return_response`` whose response is not here raises a `RehearsalError`.
        """
        return self._requests.rehearsal_responses
