"""`App`: the base class of every automation."""

import logging
import sys
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, ForwardRef, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from hassette_core.apps.context import AppContext
from hassette_core.errors import AppLoadError
from hassette_core.replacements import replacement_of
from hassette_executor import ErrorContext


class AppConfig(BaseModel):
    """Settings of an app: a pydantic model. Subclass it and declare the fields.

    The values come from ``[apps.<key>.config]`` or ``instances`` in ``hassette.toml``. An unknown key is an error, and
    so is a missing key of a field without a default. The error message names the key. An app cannot change the values.

    Example:
        ::

            class MotionConfig(AppConfig):
                motion: str
                light: str = "light.hall"
                off_after_s: float = 120
    """

    # The text of an error of pydantic shows the input, which may be a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


ConfigT = TypeVar("ConfigT", bound=AppConfig)


_PROVIDED = frozenset(
    ("config", "app_key", "instance", "states", "apps", "storage", "bus", "scheduler", "api", "home", "time")
)
"""Attributes that the framework provides. If an app replaced `storage`, for example, its values would not be stored."""


class AnyApp(Generic[ConfigT]):
    """Common base class of `App` and `SyncApp`. Derive an app from one of these classes and not from this class.

    Args:
        config: The settings of this instance.
        context: The objects of this instance, such as its bus.
    """

    depends_on: ClassVar[Sequence[str]] = ()

    def __init__(self, config: ConfigT, context: AppContext) -> None:
        self.config = config
        self.app_key = context.app_key
        self.instance = context.instance
        self.states = context.states
        self.apps = context.apps
        self.storage = context.storage
        self._data_dir = context.data_dir
        self.logger = logging.getLogger(f"hassette.apps.{self.app_key}.{self.instance}")

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute of the app, but none that the framework provides.

        Raises:
            AttributeError: The framework provides the attribute. The message explains what to write.
        """
        if name in _PROVIDED and name in self.__dict__:
            advice = (
                'write self.storage["key"] = value, or self.storage.update({…})'
                if name == "storage"
                else f"choose another name, such as self.my_{name}"
            )
            raise AttributeError(f"self.{name} must stay the object that the framework provides; {advice}")
        super().__setattr__(name, value)

    @property
    def data_dir(self) -> Path:
        """The directory for the files of this instance, ``data_dir/apps/<app key>/<instance>``. It is created on use.

        Only the user of the framework may read it. The framework never deletes it, even after the app was removed.

        Raises:
            OSError: The directory cannot be created.
        """
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._data_dir

    def on_initialize(self) -> Awaitable[None] | None:
        """Register listeners and jobs; see `App.on_initialize`."""

    def on_shutdown(self) -> Awaitable[None] | None:
        """Release resources; see `App.on_shutdown`."""

    def on_error(self, context: ErrorContext) -> Awaitable[None] | None:
        """Handle a failed run; see `App.on_error`."""

    if not TYPE_CHECKING:  # with this method, a type checker would accept each attribute

        def __getattr__(self, name: str) -> object:
            """Raise the error about a missing attribute. If another framework has it, the error names the replacement.

            Raises:
                AttributeError: Always.
            """
            replacement = None if hasattr(type(self), name) else replacement_of(name)
            if replacement is None:
                return super().__getattribute__(name)  # raises Python's error, or again the error of a property
            raise AttributeError(f"self.{name} does not exist; use {replacement}", name=name, obj=self)

    @classmethod
    def config_class(cls) -> type[AppConfig]:
        """Return the class of the settings: ``MotionConfig`` for ``class MotionLight(App[MotionConfig])``.

        The framework validates the settings with this class before it creates the app.

        Raises:
            AppLoadError: The app does not name the class of its settings, as ``App[MotionConfig]`` does.
        """
        for base in cls.__mro__:
            for generic in base.__dict__.get("__orig_bases__", ()):
                origin: Any = get_origin(generic)
                if not (isinstance(origin, type) and issubclass(origin, AnyApp)):
                    continue
                for argument in get_args(generic):
                    if isinstance(argument, ForwardRef):  # App["MotionConfig"]
                        argument = vars(sys.modules[base.__module__]).get(argument.__forward_arg__)
                    if isinstance(argument, type) and issubclass(argument, AppConfig):
                        return argument
        kind = next(base.__name__ for base in cls.__mro__ if base.__module__.startswith("hassette_core."))
        raise AppLoadError(
            f"class {cls.__name__} does not name the class of its settings: write"
            f" class {cls.__name__}({kind}[YourConfig]), or {kind}[AppConfig] if it has no settings"
        )


class App(AnyApp[ConfigT]):
    """An automation. Subclass it with the class of its settings, and register handlers in `on_initialize`.

    The framework creates one object for each instance in ``hassette.toml``. When an instance stops, its listeners and
    jobs end. An exception in a handler is recorded and fails only that run, even if it is a `SystemExit`: code of an
    app cannot end the process.

    Example:
        Turn a light on when there is motion::

            class MotionLight(App[MotionConfig]):
                async def on_initialize(self) -> None:
                    self.bus.on_state_change(self.turn_on, self.config.motion, changed_to="on")

                async def turn_on(self) -> None:
                    await self.api.call_service("light", "turn_on", target=self.config.light)

    Args:
        config: The settings of this instance.
        context: The objects of this instance, such as its bus.

    Attributes:
        depends_on: Set this in the class to the keys of the apps that must be running before this app starts. The key
            ``depends_on`` in ``hassette.toml`` adds more apps.
        config: The settings of this instance.
        app_key: The key of the app in ``hassette.toml``: ``hall`` for ``[apps.hall]``.
        instance: The name of the instance. By default it is the app key, or ``hall_1``, ``hall_2`` and so on if the
            app has several instances.
        bus: Registers listeners: ``self.bus.on_state_change(self.turn_on, "binary_sensor.door")``.
        scheduler: Registers jobs: ``self.scheduler.run_daily(…)``.
        api: Sends requests to Home Assistant: ``await self.api.call_service(…)``.
        states: The current states of all entities: ``self.states["light.hall"].state``.
        home: The areas, floors, devices, labels and users: ``self.home.area("kitchen").lights``.
        time: The time of the home, its time zone and its sun: ``self.time.now()``, ``self.time.is_between(…)``.
        apps: The other apps: ``self.apps.get("notifier")``.
        storage: A small mapping that survives restarts: ``self.storage["count"] = 3``.
        logger: The logger ``hassette.apps.<app_key>.<instance>``. The log lines of a handler are kept with its run.
    """

    def __init__(self, config: ConfigT, context: AppContext) -> None:
        super().__init__(config, context)
        self.bus = context.bus
        self.scheduler = context.scheduler
        self.api = context.api
        self.home = context.home
        self.time = context.time

    async def on_initialize(self) -> None:
        """Register listeners and jobs. Override this.

        The framework calls this method when Home Assistant is connected and all states are known. If the method takes
        longer than 30 s or raises an exception, the start has failed, and the framework tries again: first after 1 s,
        then after growing pauses of up to 60 s. The other apps keep running.
        """

    async def on_shutdown(self) -> None:
        """Release resources that the framework does not know, such as open files. Override this if the app has any.

        The framework ends listeners and jobs before it calls this method. It cancels the method after 15 % of
        ``hassette.stop_budget_s``, by default 1.35 s. If the method blocks the event loop for longer, for example with
        ``time.sleep``, ``hassette run`` interrupts it. If the method is cancelled, is interrupted or raises an
        exception, the framework logs and records this with the name of the app.
        """

    def on_error(self, context: ErrorContext) -> Awaitable[None] | None:
        """Handle a failed run of this instance. Override this, as ``def`` or ``async def``, to be notified.

        The framework does not call this method for a listener or job that has its own ``on_error`` option. The method
        may take up to 5 s. An exception that the method raises is logged.

        Example:
            ::

                async def on_error(self, context: ErrorContext) -> None:
                    await self.api.call_service("notify", "notify", message=f"{self.app_key}: {context.exception}")

        Args:
            context: The exception, its traceback, the command and the record of the run.

        Returns:
            None. An ``async def`` returns a coroutine, which the framework awaits.
        """
