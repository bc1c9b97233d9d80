"""`App`: what every automation is made from."""

import logging
from collections.abc import Awaitable
from typing import Any, Generic, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from hassette_core.api import Api
from hassette_core.bus import AppBus
from hassette_core.errors import AppLoadError
from hassette_core.scheduler import AppScheduler
from hassette_core.states import States
from hassette_executor import ErrorContext


class AppConfig(BaseModel):
    """Settings of an app: subclass it and name the fields. A key that is not named is a mistake; values are fixed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ConfigT = TypeVar("ConfigT", bound=AppConfig)


class AppParts(NamedTuple):
    """What an app instance is given by the framework.

    Attributes:
        key: The app's key in ``hassette.toml``.
        instance: The instance's name.
        bus: Its bus.
        scheduler: Its scheduler.
        api: Home Assistant.
        states: What all entities are now.
    """

    key: str
    instance: str
    bus: AppBus
    scheduler: AppScheduler
    api: Api
    states: States


class App(Generic[ConfigT]):
    """An automation. Subclass it with the class of its settings, and register handlers in `on_initialize`.

        class MotionConfig(AppConfig):
            motion: str
            light: str

        class MotionLight(App[MotionConfig]):
            async def on_initialize(self) -> None:
                self.bus.on_state_change(self.config.motion, handler=self.light_up, changed_to="on")

            async def light_up(self) -> None:
                await self.api.call_service("light", "turn_on", target={"entity_id": self.config.light})

    One object is made per instance in ``hassette.toml``. What it has registered ends with it.

    Attributes:
        config: Its settings, checked.
        name: The app's key in ``hassette.toml``.
        instance: The instance's name.
        bus: Where it listens.
        scheduler: Where it plans.
        api: What it asks of Home Assistant.
        states: What all entities are now: ``self.states["light.hall"].state``.
        logger: ``hassette.apps.<name>.<instance>``. What a handler logs is kept with its run.
    """

    def __init__(self, config: ConfigT, parts: AppParts) -> None:
        self.config = config
        self.name = parts.key
        self.instance = parts.instance
        self.bus = parts.bus
        self.scheduler = parts.scheduler
        self.api = parts.api
        self.states = parts.states
        self.logger = logging.getLogger(f"hassette.apps.{parts.key}.{parts.instance}")

    async def on_initialize(self) -> None:
        """Register handlers and jobs. What it raises makes this instance fail; the others run."""

    async def on_shutdown(self) -> None:
        """Let go of what the framework does not know of. Listeners and jobs end by themselves."""

    def on_error(self, context: ErrorContext) -> Awaitable[None] | None:
        """Hear of a failed run of this instance that has no ``on_error`` of its own. May be async.

        Not called unless a subclass overrides it.

        Args:
            context: The exception, its traceback, the command and the record.
        """

    @classmethod
    def config_class(cls) -> type[AppConfig]:
        """Return the class of the settings: the one in brackets after `App`.

        Raises:
            AppLoadError: There is none.
        """
        for base in cls.__mro__:
            for generic in base.__dict__.get("__orig_bases__", ()):
                origin: Any = get_origin(generic)
                if not (isinstance(origin, type) and issubclass(origin, App)):
                    continue
                for argument in get_args(generic):
                    if isinstance(argument, type) and issubclass(argument, AppConfig):
                        return argument
        raise AppLoadError(
            f"class {cls.__name__} does not say what its settings are: write class {cls.__name__}(App[YourConfig]), or"
            " App[AppConfig] if it has none"
        )
