"""Load the sinks and services of installed packages, which register them as entry points."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hassette_core.config import HassetteConfig
from hassette_core.config.lines import Lines
from hassette_core.config.loading import OUR_PLUGINS
from hassette_core.config.problems import Problems
from hassette_core.control import FrameworkControl
from hassette_core.errors import describe_error
from hassette_core.installed import SERVICE_GROUP, SINK_GROUP, FindEntryPoints, find_entry_points
from hassette_core.lifecycle import Service, ServiceStatus, StatusBoard, StatusReport
from hassette_core.live import LiveView
from hassette_core.redaction import Redaction
from hassette_executor import RecordSink

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class SinkService(Service, RecordSink, Protocol):
    """A service that writes records."""


class SinkFactory(Protocol):
    """Type of an entry point in the group ``hassette.sinks``."""

    def __call__(self, *, data_dir: Path, settings: Mapping[str, object]) -> SinkService | Sequence[SinkService] | None:
        """Create a sink, or several. Return None, or no sink, if the settings turn the sink off.

        Raises:
            ValueError: A setting is wrong. The message is one sentence that begins with the key of the setting.
        """
        ...


class ServiceFactory(Protocol):
    """Type of an entry point in the group ``hassette.services``."""

    def __call__(
        self, *, data_dir: Path, settings: Mapping[str, object], live: LiveView, control: FrameworkControl
    ) -> Service | None:
        """Create a service. Return None if the settings turn the service off.

        A service that serves a page has an attribute ``url`` with the address of the page.

        Raises:
            ValueError: A setting is wrong. The message is one sentence that begins with the key of the setting.
        """
        ...


def load_sinks(
    config: HassetteConfig, board: StatusBoard, find: FindEntryPoints = find_entry_points
) -> tuple[SinkService, ...]:
    """Create the sinks of all installed packages.

    If a plugin cannot be loaded, the function logs the failure, and the board shows the plugin as degraded.

    Args:
        config: Contains the directory of the history and the tables of the plugins.
        board: Receives the plugins that cannot be loaded.
        find: Returns the entry points of a group.

    Raises:
        ConfigError: Plugins rejected their settings. The message has one line per plugin. The line names the place of
            the wrong setting: the file and the line, or the environment variable.
    """

    def create(factory: SinkFactory, settings: Mapping[str, object]) -> Sequence[SinkService]:
        made = factory(data_dir=config.data_dir, settings=settings)
        return made if isinstance(made, Sequence) else () if made is None else (made,)

    return _create_all(find(SINK_GROUP), create, config, board)


def load_services(
    config: HassetteConfig,
    live: LiveView,
    control: FrameworkControl,
    board: StatusBoard,
    find: FindEntryPoints = find_entry_points,
) -> tuple[Service, ...]:
    """Create the services of all installed packages; see `load_sinks`."""

    def create(factory: ServiceFactory, settings: Mapping[str, object]) -> Sequence[Service]:
        made = factory(data_dir=config.data_dir, settings=settings, live=live, control=control)
        return () if made is None else (made,)

    return _create_all(find(SERVICE_GROUP), create, config, board)


def _create_all(
    points: Iterable[EntryPoint],
    create: Callable[[Any, Mapping[str, object]], Sequence[_T]],
    config: HassetteConfig,
    board: StatusBoard,
) -> tuple[_T, ...]:
    created: list[_T] = []
    problems = Problems(config.file or "the configuration", Lines(_text_of(config.file)))
    redact = Redaction(config.secrets)
    # The store and sync come first, so that the store is the first sink. Pages show the accounting of the first sink.
    for point in sorted(points, key=lambda point: (point.name not in OUR_PLUGINS, point.name)):
        settings = config.plugins.get(point.name, {})
        try:
            made = create(point.load(), settings)
        except ValueError as error:
            problems.add_rejected(point.name, settings, redact(str(error)))
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may raise anything; the apps run without it
            _report_broken(point, error, board)
        else:
            created += made
    problems.raise_any()
    return tuple(created)


def _text_of(file: Path | None) -> str:
    try:
        return "" if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""  # the file was removed after the configuration was loaded; without it, problems have no line number


def _report_broken(point: EntryPoint, error: BaseException, board: StatusBoard) -> None:
    problem = describe_error(error)
    distribution = point.dist.name if point.dist is not None else point.value
    logger.warning(
        "Plugin could not be loaded; all other services keep running",
        extra={"plugin": point.name, "package": distribution, "problem": problem},
    )
    board.add_broken(StatusReport(point.name, ServiceStatus.DEGRADED, "service_degraded", problem))
