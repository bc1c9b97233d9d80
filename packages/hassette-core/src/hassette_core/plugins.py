"""What is installed beside core, found by entry points: sinks and services are made here."""

import logging
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hassette_core.config import HassetteConfig
from hassette_core.config.lines import Lines
from hassette_core.config.loading import OUR_PLUGINS
from hassette_core.config.problems import Problems
from hassette_core.installed import SERVICES, SINKS
from hassette_core.lifecycle import Service, ServiceStatus, StatusChange
from hassette_core.live import LiveView
from hassette_core.logs import Redaction
from hassette_executor import RecordSink

logger = logging.getLogger(__name__)


class SinkService(Service, RecordSink, Protocol):
    """A service that keeps records."""


class SinkFactory(Protocol):
    """What an entry point of the group ``hassette.sinks`` names."""

    def __call__(self, *, data_dir: Path, settings: Mapping[str, object]) -> SinkService | None:
        """Make a sink; None when its table does not ask for one.

        Raises:
            ValueError: A setting is wrong; one sentence that names the key.
        """
        ...


class ServiceFactory(Protocol):
    """What an entry point of the group ``hassette.services`` names."""

    def __call__(self, *, data_dir: Path, settings: Mapping[str, object], live: LiveView) -> Service | None:
        """Make a service; raises as `SinkFactory`. It may have an attribute ``url``: where its page is."""
        ...


class Loaded(NamedTuple):
    """The plugins of one group.

    Attributes:
        parts: What could be made.
        broken: What is installed but could not be loaded: degraded, never fatal.
    """

    parts: tuple[Any, ...] = ()
    broken: tuple[StatusChange, ...] = ()


def load_sinks(config: HassetteConfig) -> Loaded:
    """Make every installed sink.

    Raises:
        ConfigError: Plugins refused their settings: a line for each, with the line of the file or the variable.
    """
    return _load(SINKS, config)


def load_services(config: HassetteConfig, live: LiveView) -> Loaded:
    """Make every installed service.

    Raises:
        ConfigError: Plugins refused their settings: a line for each, with the line of the file or the variable.
    """
    return _load(SERVICES, config, live=live)


def _load(group: str, config: HassetteConfig, **further: Any) -> Loaded:
    parts: list[Any] = []
    broken: list[StatusChange] = []
    problems = Problems(config.file or "the configuration", Lines(_text_of(config.file)))
    redact = Redaction(config.secrets)
    for point, factory in _factories(group, broken):
        settings = config.plugins.get(point.name, {})
        try:
            if (part := factory(data_dir=config.data_dir, settings=settings, **further)) is not None:
                parts.append(part)
        except ValueError as error:
            problems.refused(point.name, settings, redact(str(error)))
        except Exception as error:  # noqa: BLE001  somebody else's code; the automations run without it
            _give_up(point, error, broken)
    problems.raise_any()
    return Loaded(tuple(parts), tuple(broken))


def _text_of(file: Path | None) -> str:
    try:
        return "" if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""  # it has been read before; without it, mistakes have no line


def _factories(group: str, broken: list[StatusChange]) -> Iterator[tuple[EntryPoint, Callable[..., Any]]]:
    # The store comes first: of several sinks, the first one's account is shown.
    for point in sorted(entry_points(group=group), key=lambda point: (point.name not in OUR_PLUGINS, point.name)):
        try:
            factory = point.load()
        except Exception as error:  # noqa: BLE001  somebody else's code, at import: anything may come
            _give_up(point, error, broken)
        else:
            yield point, factory


def _give_up(point: EntryPoint, error: Exception, broken: list[StatusChange]) -> None:
    problem = f"{type(error).__name__}: {error}"
    distribution = point.dist.name if point.dist is not None else point.value
    logger.warning(
        "A plugin cannot be used; everything else runs without it",
        extra={"plugin": point.name, "package": distribution, "problem": problem},
    )
    broken.append(StatusChange(point.name, ServiceStatus.DEGRADED, "service_degraded", problem))
