"""The tables of ``hassette.toml``, each with what it means and what it is when it is not there."""

from pathlib import Path
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hassette_core.config.environment import SECRET_KEYS, EnvironmentTables, set_by
from hassette_core.secrets import secrets_in
from hassette_executor import ExecutorSettings


def _known_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("a time zone such as 'Europe/Vienna'") from None
    return name


class Table(BaseModel):
    """A table of the file: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class FrameworkSettings(Table):
    """``[hassette]``: the framework itself.

    Attributes:
        data_dir: Where history is kept. Relative paths count from the file's own directory.
        app_dir: Where your apps' modules are.
        log_level: The least severe messages to log.
        time_zone: For schedules; None takes Home Assistant's.
        stop_budget_s: Seconds that a clean stop may take. Docker and systemd's defaults kill after 10 and 90.
    """

    data_dir: Path = Path("data")
    app_dir: Path = Path("apps")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] | None = None
    stop_budget_s: Annotated[float, Field(gt=0, le=600)] = 9.0


class HomeAssistantSettings(Table):
    """``[home_assistant]``: where it is and how to get in.

    Attributes:
        url: Its address, as you open it in a browser.
        token: A long-lived access token.
        token_file: A file that holds the token instead, such as a container's secret. Relative paths count
            from the configuration file's own directory.
    """

    url: str = "http://homeassistant.local:8123"
    token: SecretStr | None = None
    token_file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_token_file(cls, table: object) -> object:
        if not isinstance(table, dict) or "token_file" not in table or "token" in table:
            return cast("object", table)
        given = cast("dict[str, Any]", table)
        if not isinstance(path := given["token_file"], str | Path):
            return given  # refused as no path
        try:
            return {**given, "token": Path(path).read_text(encoding="utf-8-sig").strip()}
        except OSError as error:
            raise ValueError(f"token_file to name a readable file ({path}: {error.strerror})") from None
        except UnicodeDecodeError:
            raise ValueError(f"token_file to name a readable file ({path}: not UTF-8 text)") from None


class AppEntry(Table):
    """``[apps.<key>]``: one app, run once or several times.

    Attributes:
        module: The module, in ``app_dir``, that holds the class.
        class_name: The class, written ``class`` in the file.
        enabled: False leaves the app out.
        config: The app's own settings, when it runs once.
        instances: The settings of each instance, with its ``name``, when it runs several times.
    """

    module: str = Field(description="the module in app_dir, such as 'motion_light'")
    class_name: str = Field(alias="class", description="the name of the class in it, such as 'MotionLight'")
    enabled: bool = True
    config: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    instances: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]], repr=False)


class HassetteConfig(BaseSettings):
    """All of the configuration.

    Made from code, it takes the same tables as keyword arguments; the environment stands above them.

    Attributes:
        hassette: The framework itself.
        home_assistant: Where it is and how to get in.
        executor: How runs are run and handed on; see `hassette_executor.ExecutorSettings`.
        apps: Each app by its key.
        plugins: The tables of plugins (``[store]``, ``[sync]``), which check them themselves.
        file: The file that this came from, if any.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    hassette: FrameworkSettings = FrameworkSettings()
    home_assistant: HomeAssistantSettings = HomeAssistantSettings()
    executor: ExecutorSettings = ExecutorSettings()
    apps: dict[str, AppEntry] = Field(default_factory=dict[str, AppEntry])
    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]], repr=False)
    file: Path | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment above the file; nothing else is read."""
        return (EnvironmentTables(settings_cls), init_settings)

    @model_validator(mode="before")
    @classmethod
    def _token_file_counts_from_the_file(cls, tables: dict[str, Any]) -> dict[str, Any]:
        file, home = tables.get("file"), tables.get("home_assistant")
        if not isinstance(file, Path) or not isinstance(home, dict):
            return tables
        given = cast("dict[str, Any]", home)
        if not isinstance(path := given.get("token_file"), str | Path):
            return tables
        try:
            absolute = _beside(file, Path(path))
        except RuntimeError:  # "~someone" that has no home: reading it will say that there is no such file
            return tables
        return {**tables, "home_assistant": {**given, "token_file": absolute}}

    @model_validator(mode="before")
    @classmethod
    def _token_file_of_the_environment_stands_above_a_token_of_the_file(cls, tables: dict[str, Any]) -> dict[str, Any]:
        home = tables.get("home_assistant")
        if not isinstance(home, dict) or not set_by(("home_assistant", "token_file")):
            return tables
        if set_by(("home_assistant", "token")):
            return tables
        given = cast("dict[str, Any]", home)
        return {**tables, "home_assistant": {key: value for key, value in given.items() if key != "token"}}

    @property
    def data_dir(self) -> Path:
        """Where history is kept, as an absolute path."""
        return self._from_file(self.hassette.data_dir)

    @property
    def app_dir(self) -> Path:
        """Where the apps' modules are, as an absolute path."""
        return self._from_file(self.hassette.app_dir)

    @property
    def secrets(self) -> frozenset[str]:
        """What must not appear in any log: tokens, and what else has a key that sounds secret, such as an app's."""
        token = self.home_assistant.token
        found = [table.get(key) for table in self.plugins.values() for key in SECRET_KEYS]
        found.append(token.get_secret_value() if token is not None else None)
        found += secrets_in(self.plugins)
        for app in self.apps.values():
            found += [*secrets_in(app.config), *secrets_in(app.instances)]
        return frozenset(secret for secret in found if isinstance(secret, str) and secret)

    def _from_file(self, path: Path) -> Path:
        return _beside(self.file, path)


def _beside(file: Path | None, path: Path) -> Path:
    base = file.parent if file is not None else Path()
    return (base / path.expanduser()).absolute()
