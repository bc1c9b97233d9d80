"""`OwnEvents`: pass failed runs, and events of the framework and its apps, to the listeners of apps."""

import logging
from collections.abc import Mapping

from hassette_core.bus.service import BusService
from hassette_core.errors import describe_error
from hassette_executor import EventTrigger, LifecycleEvent, Record, RepeatedLog

logger = logging.getLogger(__name__)

APP_ERROR = "hassette_app_error"
_SUBJECT_IS_SERVICE = "service_"
_SUBJECT_IS_APP = ("app_", "trigger_")


class OwnEvents:
    """Emits an event for each failed run and for each lifecycle event. It observes the executor.

    The type of an event is ``hassette_`` and the kind of the lifecycle event, such as ``hassette_connection_lost``.

    Args:
        bus: The bus that emits the events.
    """

    def __init__(self, bus: BusService) -> None:
        self._bus = bus
        self._repeated = RepeatedLog(logger)

    def run_failed(self, record: Record) -> None:
        """Emit ``hassette_app_error``, unless the run was started by such an event.

        Without this exception, two apps that watch each other's failures could start each other for ever.
        """
        trigger, failure = record.trigger, record.failure
        if failure is None or not self._bus.has_listeners(APP_ERROR):
            return
        if isinstance(trigger, EventTrigger) and trigger.event_type == APP_ERROR:
            return
        registration = record.registration
        self._emit(
            APP_ERROR,
            {
                "app": registration.app,
                "instance": registration.instance,
                "handler": registration.name,
                "kind": registration.kind,
                "status": record.status.value,
                "error": f"{failure.type}: {failure.message}",
                "run_id": record.id,
            },
        )

    def reported(self, event: LifecycleEvent) -> None:
        """Emit a lifecycle event."""
        event_type = f"hassette_{event.kind}"
        if not self._bus.has_listeners(event_type):
            return
        data = {"subject": event.subject, "detail": event.detail}
        if event.kind.startswith(_SUBJECT_IS_APP):
            data["app"], _, data["instance"] = event.subject.partition(".")
        elif event.kind.startswith(_SUBJECT_IS_SERVICE):
            data["service"] = event.subject
        self._emit(event_type, data)

    def _emit(self, event_type: str, data: Mapping[str, object]) -> None:
        try:
            self._bus.emit(event_type, data)
        except Exception as error:  # noqa: BLE001  a defect of the bus must not fail the run that has just ended
            self._repeated.log(
                "failed",
                logging.ERROR,
                "Event of the framework could not be passed on",
                extra={"event_type": event_type, "error": describe_error(error)},
            )
