"""`HomeFailures`: failures of the home under test, on demand."""

from collections.abc import Callable

from hassette_core.simulation.home import SimulatedHome
from hassette_core.testing.home_thread import Done
from hassette_core.testing.names import checked_entity_id, checked_service, unknown
from hassette_core.testing.parsing import check_times, number


class HomeFailures:
    """Failures of devices and services, on demand. Each lasts until its number of times is used, or until `clear`.

    A service is named like ``light.turn_on``; ``*`` stands for any text, as in ``light.*`` or ``*.turn_on``.

    As the methods of `HomeUnderTest`, each method is awaited in an ``async def`` test.

    Example:
        ::

            home.failures.refuse("lock.lock", message="The lock is jammed", times=2)
            home.failures.slow("media_player.*", seconds=12)
            home.failures.deaf("light.hall", calls=2)  # the third call changes the light

    Args:
        do: Sends a request to the home.
        simulated: The simulated home.
    """

    def __init__(self, do: Callable[[Callable[[], None]], Done[None]], simulated: SimulatedHome) -> None:
        self._do = do
        self._simulated = simulated

    def unavailable(self, *entities: str) -> Done[None]:
        """Make entities unavailable. Services ignore them.

        Raises:
            HomeTestError: There is no such entity.
        """

        def change() -> None:
            for entity in entities:
                self._check_entity(entity)
            for entity in entities:
                self._simulated.failures.unavailable(entity)

        return self._do(change)

    def available(self, *entities: str) -> Done[None]:
        """Make entities available again, with the states from before `unavailable`.

        Raises:
            HomeTestError: There is no such entity.
        """

        def change() -> None:
            for entity in entities:
                self._check_entity(entity)
            self._simulated.failures.available(*entities)

        return self._do(change)

    def refuse(
        self,
        service: str,
        *,
        entity: str | None = None,
        times: int | None = None,
        message: str = "The simulated home refuses this call",
        code: str = "home_assistant_error",
    ) -> Done[None]:
        """Let calls of a service fail with an error of Home Assistant. They change nothing.

        ``home.calls(outcome="refused")`` contains these calls.

        Args:
            service: The name of the service.
            entity: Only calls with this entity fail. None means all calls.
            times: The number of failures. None means all calls.
            message: The text of the error.
            code: For example ``home_assistant_error``, ``service_validation_error``, ``unauthorized``, ``timeout``.

        Raises:
            HomeTestError: There is no such service or entity, or ``times`` is not a number of times.
        """

        def change() -> None:
            self._check_call(service, entity, times)
            self._simulated.failures.refuse(service, code=code, message=message, entity_id=entity, times=times)

        return self._do(change)

    def slow(self, service: str, *, seconds: float, entity: str | None = None, times: int | None = None) -> Done[None]:
        """Let a service need some seconds of the home's time. Its effect and its answer come after this time.

        Args:
            service: The name of the service.
            seconds: The duration of each call.
            entity: Only calls with this entity are slow. None means all calls.
            times: The number of slow calls. None means all calls.

        Raises:
            HomeTestError: There is no such service or entity, or a number is not possible.
        """

        def change() -> None:
            self._check_call(service, entity, times)
            number("seconds", seconds, least=0)
            self._simulated.failures.slow(service, seconds, entity_id=entity, times=times)

        return self._do(change)

    def deaf(self, entity: str, *, calls: int | None = None) -> Done[None]:
        """Let services have no effect on an entity, although the calls succeed, like a bulb without a connection.

        Args:
            entity: The entity.
            calls: The number of calls without effect. None means all calls.

        Raises:
            HomeTestError: There is no such entity, or ``calls`` is not a number of calls.
        """

        def change() -> None:
            self._check_entity(entity)
            check_times("calls", calls)
            self._simulated.failures.deaf(entity, calls=calls)

        return self._do(change)

    def unanswered(self, command: str, *, times: int | None = None) -> Done[None]:
        """Never answer a service call, which has its effect all the same, or a command such as ``render_template``.

        Args:
            command: The name of the service or of the command.
            times: The number of missing answers. None means all of them.

        Raises:
            HomeTestError: There is no such service, or ``times`` is not a number of times.
        """

        def change() -> None:
            if "." in command:
                self._check_service(command)
            check_times("times", times)
            self._simulated.failures.unanswered(command, times=times)

        return self._do(change)

    def clear(self) -> Done[None]:
        """End all failures, and make all entities available."""
        return self._do(self._simulated.failures.clear)

    def _check_call(self, service: str, entity: str | None, times: int | None) -> None:
        self._check_service(service)
        if entity is not None:
            self._check_entity(entity)
        check_times("times", times)

    def _check_entity(self, entity: str) -> None:
        if checked_entity_id(entity, self._simulated.core.states) not in self._simulated.core.states:
            raise unknown("entity_id", entity, self._simulated.core.states, f'Add it with home.set("{entity}", …)')

    def _check_service(self, service: str) -> None:
        if isinstance(service, str) and "*" in service:  # pyright: ignore[reportUnnecessaryIsInstance]  tests are not all checked
            return
        names = service_names(self._simulated)
        if checked_service(service, names) not in names:
            raise unknown("service", service, names, f'Add it with home.add_service("{service}")')


def service_names(simulated: SimulatedHome) -> list[str]:
    """Return the names of all services of the home, such as ``light.turn_on``."""
    return simulated.services.names()
