"""`HomeUnderTest`: the home under test, with the whole framework and a clock that the test moves."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast, overload

from hassette_core.apps import AnyApp, SyncApp, load_instance
from hassette_core.containment import FRAMEWORK, Actor, acting_for, app_actor
from hassette_core.redaction import find_secrets
from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.home.model import HomeCall
from hassette_core.testing.errors import HomeTestError, NotSettledError
from hassette_core.testing.failures import HomeFailures, service_names
from hassette_core.testing.findings import Findings
from hassette_core.testing.home_thread import Done
from hassette_core.testing.names import checked_entity_id, checked_service, misspelt
from hassette_core.testing.parsing import json_fields, number, state_text

T = TypeVar("T")
AppT = TypeVar("AppT", bound=AnyApp[Any])


class HomeUnderTest(Findings):
    """A home for a test: Home Assistant is simulated, the framework is real, and only the test moves the time.

    Each method that does something returns when the home has settled: all handlers have run that can run now. In an
    ``async def`` test, write ``await`` before it. In a plain ``def`` test, leave the ``await`` out.

    Example:
        ::

            async def test_light_goes_off_five_minutes_after_the_last_motion(home: HomeUnderTest) -> None:
                await home.set("light.hall", "off")
                await home.add_app(MotionLight, motion="binary_sensor.hall_motion", light="light.hall")
                await home.set("binary_sensor.hall_motion", "on")
                home.assert_called("light.turn_on", "light.hall")
                await home.advance(minutes=5)
                assert home.state("light.hall") == "off"

    Args:
        data_dir: Directory for files of the apps.
        seed: The same seed leads to the same timeline. The module `random` is seeded until the home is closed.
        patience_s: Longest real time without progress, in seconds, before a method raises `NotSettledError`.
        kept: Maximum number of kept runs, events and log lines each. The oldest are dropped first.
    """

    def add_app(
        self,
        app_class: type[AnyApp[Any]],
        /,
        instance: str | None = None,
        *,
        app_key: str | None = None,
        rehearse: bool = False,
        **settings: Any,
    ) -> Done[None]:
        """Start an app.

        Args:
            app_class: The class of the app.
            instance: The name of the instance. By default it is the app key.
            app_key: The key that the app would have in ``hassette.toml``. By default it is the name of the class with
                underscores, such as ``motion_light``.
            rehearse: Whether the app rehearses. Then its calls are not sent, and ``home.calls(outcome="rehearsed")``
                contains them.
            **settings: The settings of the app, as in ``[apps.motion_light.config]``.

        Raises:
            HomeTestError: The app failed to start. The cause is the exception of the app.
            AppLoadError: The settings are wrong.
        """
        _check_text("instance", instance, "'kitchen'")
        _check_text("app_key", app_key, "'motion_light'")
        key = app_key or app_key_of(app_class)
        loaded = load_instance(app_class, key, instance or key, settings)._replace(rehearse=rehearse)
        secrets = list(find_secrets(settings))
        return self._do(lambda: self._system.add_app(loaded, secrets))

    def add_apps(self, file: str | Path, /, *app_keys: str) -> Done[None]:
        """Start apps of a configuration file, with the settings of this file.

        Args:
            file: The path of ``hassette.toml``.
            *app_keys: The keys of the apps. Without a key, all enabled apps are started.

        Raises:
            HomeTestError: There is no such app, or an app cannot be loaded or failed to start.
            ConfigError: The file cannot be read, or its content is wrong.
        """
        if not isinstance(file, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance]  tests are not all checked
            raise HomeTestError(f"file must be the path of a hassette.toml, got {file!r}")
        return self._do(lambda: self._system.add_apps(Path(file), app_keys))

    @overload
    def app(self, app: type[AppT], /, instance: str | None = None) -> AppT: ...
    @overload
    def app(self, app: str, /, instance: str | None = None) -> AnyApp[Any]: ...
    def app(self, app: type[AnyApp[Any]] | str, /, instance: str | None = None) -> Any:
        """Return the object of a running app. Call its methods with `run`.

        Args:
            app: The class of the app, or its app key.
            instance: The name of the instance. An app with one instance does not need it.

        Raises:
            AppLookupError: There is no such app, or it has several instances.
        """
        self._start()
        key = app if isinstance(app, str) else app_key_of(app)
        return self._read(lambda: self._system.running().get(key, instance=instance))

    def run(self, work: Callable[[], Awaitable[T]] | Coroutine[Any, Any, T] | Callable[[], T]) -> Done[T]:
        """Run code in the home: a coroutine, such as ``app.turn_on()``, or a function. Time passes while it waits.

        Code that uses an app's objects belongs here, because they can only be used on the loop of the home. A method of
        a `SyncApp` runs in a thread, as handlers do.

        Example:
            ::

                await home.run(app.turn_on())            # in an async def test
                value = home.run(app.brightness).result  # in a plain def test
                home.run(partial(sync_app.dim, 50))      # a method of a SyncApp, with arguments
        """
        if not (asyncio.iscoroutine(work) or callable(work)):
            raise HomeTestError(f"work must be a coroutine or a function without arguments, got {work!r}")
        self._start()

        def call() -> Any:
            if asyncio.iscoroutine(work):
                return _run_as_app(work)
            function = cast("Callable[[], Any]", work)
            owner: object = getattr(getattr(function, "func", function), "__self__", None)  # also of a partial
            if issubclass(type(owner), SyncApp):
                return _run_in_thread(function, _actor_of(owner))
            with acting_for(_actor_of(owner)):
                result = function()
            return _run_as_app(result) if asyncio.iscoroutine(result) else result

        return self._do(call)

    def restart(self) -> Done[None]:
        """Stop the framework, and start it again with all apps, as after an update."""
        return self._do(self._system.restart)

    def set(self, entity_id: str, state: str | float | None = None, /, **attributes: Any) -> Done[None]:
        """Change an entity. If there is no such entity, add it.

        Args:
            entity_id: For example ``binary_sensor.hall_motion``.
            state: The new state. None keeps the state.
            **attributes: The attributes to change. All others stay the same.

        Raises:
            HomeTestError: The entity id looks like a misspelt one, or the state is not valid. `add_entity` accepts
                every entity id.
        """
        text, attributes = state_text(state), json_fields(attributes)

        def change() -> None:
            core = self._system.simulated.core
            checked_entity_id(entity_id, core.states)
            if entity_id not in core.states:
                if (other := misspelt(entity_id, core.states)) is not None:
                    raise HomeTestError(
                        f"entity_id must be known, got {entity_id!r}; did you mean {other!r}? If it is another entity,"
                        " add it with home.add_entity()"
                    )
                self._add_entity(entity_id, text, attributes)
            else:
                _checked(lambda: core.change(entity_id, text, **attributes))

        return self._do(change)

    def add_entity(self, entity_id: str, state: str | float, /, **attributes: Any) -> Done[None]:
        """Add an entity.

        Raises:
            HomeTestError: The entity exists, or the entity id or the state is not valid.
        """
        text, attributes = state_text(state), json_fields(attributes)

        def add() -> None:
            checked_entity_id(entity_id, self._system.simulated.core.states)
            if entity_id in self._system.simulated.core.states:
                raise HomeTestError(f"entity_id must be new, got {entity_id!r}; change it with home.set()")
            self._add_entity(entity_id, text, attributes)

        return self._do(add)

    def _add_entity(self, entity_id: str, state: str | None, attributes: dict[str, Any]) -> None:
        if state is None:
            raise HomeTestError(f"the state of the new entity {entity_id!r} is missing; write it behind the entity id")
        _checked(lambda: self._system.simulated.core.set(entity_id, state, attributes))

    def remove(self, entity_id: str) -> Done[None]:
        """Remove an entity.

        Raises:
            HomeTestError: There is no such entity.
        """

        def remove() -> None:
            checked_entity_id(entity_id, self._system.simulated.core.states)
            if not self._system.simulated.core.remove(entity_id):
                raise self._unknown_entity(entity_id)

        return self._do(remove)

    def fire(self, event_type: str, /, **data: Any) -> Done[None]:
        """Fire an event of Home Assistant, such as ``home.fire("zha_event", command="on")``."""
        _check_text("event_type", event_type, "'zha_event'", required=True)
        fields = json_fields(data)
        return self._do(lambda: self._system.simulated.core.fire(event_type, fields) and None)

    def fire_trigger(self, platform: str, /, **values: Any) -> Done[None]:
        """Fire the triggers of `AppBus.on_trigger` of one kind whose configuration agrees with the values.

        Example:
            ::

                await home.fire_trigger("mqtt", topic="zigbee2mqtt/button", payload="double")
                await home.fire_trigger("webhook", webhook_id="doorbell", json={"pressed": True})
                await home.fire_trigger("conversation", sentence="good night")

        Args:
            platform: The kind, such as ``mqtt``. Triggers for states, events and times also fire by themselves.
            **values: The values of the firing.

        Raises:
            HomeTestError: No trigger agrees with the values.
        """
        return self._do(lambda: _checked(lambda: self._system.simulated.fire_trigger(platform, **values)))

    def call(
        self, service: str, target: str | Sequence[str] | None = None, /, *, user: str | None = None, **data: Any
    ) -> Done[Any]:
        """Call a service in the home, as a person or an automation does.

        Args:
            service: For example ``light.turn_on``.
            target: One entity id, or several.
            user: The name of the person. The first call adds the user. None stands for no person.
            **data: The fields of the service.

        Raises:
            RefusedError: Home Assistant would refuse the call.
            HomeTestError: The service or the target has another form, or the target looks like a misspelt one.
        """
        fields = json_fields(data)

        def call() -> Any:
            simulated = self._system.simulated
            checked_service(service, service_names(simulated))
            targets: Sequence[Any] = target if isinstance(target, list | tuple) else (target,)
            for each in () if target is None else targets:
                entity_id = checked_entity_id(each, simulated.core.states)
                if entity_id not in simulated.core.states and misspelt(entity_id, simulated.core.states) is not None:
                    raise self._unknown_entity(entity_id)
            if user is not None and user not in self._users:
                self._users[user] = simulated.add_user(user)
            found = None if user is None else self._users[user]
            return simulated.call(service, target, user=found, **fields)

        return self._do(call)

    def add_service(
        self, service: str, handler: Callable[[HomeCall], Any] | None = None, /, *, response: Any = None
    ) -> Done[None]:
        """Add a service that the home does not have, such as ``notify.mobile_app_phone``.

        Args:
            service: The domain and the name.
            handler: Receives each call, and may return a response. None accepts each call and makes the obvious change:
                ``turn_on`` turns the entity on.
            response: The response for callers that request one.

        Raises:
            HomeTestError: The name is not valid.
        """
        if handler is not None and not callable(handler):  # pyright: ignore[reportUnnecessaryComparison]  as above
            raise HomeTestError(f"handler must be a function that receives the call, got {handler!r}")
        return self._do(
            lambda: _checked(lambda: self._system.simulated.add_service(service, handler, response=response))
        )

    def restart_home_assistant(self, *, down_seconds: float = 5) -> Done[None]:
        """Restart Home Assistant. Time passes until the framework is connected again.

        Args:
            down_seconds: Seconds without Home Assistant.

        Raises:
            HomeTestError: The time is negative.
        """
        down_s = number("down_seconds", down_seconds, least=0)
        self._start()
        return self._do(lambda: self._system.restart_home_assistant(down_s))

    def interrupt(self, *, seconds: float = 10) -> Done[None]:
        """Interrupt the connection to Home Assistant, which keeps running. Time passes until it is restored.

        Args:
            seconds: Seconds without a connection.

        Raises:
            HomeTestError: The time is negative.
        """
        lost_s = number("seconds", seconds, least=0)
        self._start()
        return self._do(lambda: self._system.interrupt(lost_s))

    @property
    def failures(self) -> HomeFailures:
        """Failures of devices and services, such as ``home.failures.refuse("lock.lock", times=2)``."""
        return HomeFailures(self._do, self._system.simulated)

    @property
    def simulated(self) -> SimulatedHome:
        """The simulated home, for everything that `HomeUnderTest` has no method for. Use it within `run`.

        Example:
            ::

                await home.run(lambda: home.simulated.unload("mqtt"))
        """
        return self._system.simulated

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except NotSettledError:
            if error is None:  # otherwise the first error is more important
                raise


async def _run_as_app(work: "Coroutine[Any, Any, T]") -> T:
    """Run a coroutine as code of the app whose method it is. Other code is code of the test, and may act."""
    frame = getattr(work, "cr_frame", None)  # a coroutine in C has none
    with acting_for(_actor_of(None if frame is None else frame.f_locals.get("self"))):
        return await work


async def _run_in_thread(function: Callable[[], T], actor: Actor) -> T:
    with acting_for(actor):
        return await asyncio.to_thread(function)


def _actor_of(owner: object) -> Actor:
    return app_actor((owner.app_key, owner.instance)) if isinstance(owner, AnyApp) else FRAMEWORK


def app_key_of(app_class: type[AnyApp[Any]]) -> str:
    """Return the app key of a class: ``motion_light`` for ``MotionLight``.

    Raises:
        HomeTestError: The value is not a class.
    """
    if not inspect.isclass(app_class):
        hint = "; to start an app of a file, use home.add_apps()" if isinstance(app_class, str) else ""
        raise HomeTestError(f"app must be the class of an app, such as MotionLight, got {app_class!r}{hint}")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", app_class.__name__).lower()


def _check_text(key: str, value: object, example: str, *, required: bool = False) -> None:
    if (value is not None or required) and not (isinstance(value, str) and value.strip()):
        raise HomeTestError(f"{key} must be a text such as {example}, got {value!r}")


def _checked(change: Callable[[], object]) -> None:
    """Make a change of the simulated home.

    Raises:
        HomeTestError: Home Assistant would refuse it.
    """
    try:
        change()
    except ValueError as error:
        raise HomeTestError(str(error)) from None
