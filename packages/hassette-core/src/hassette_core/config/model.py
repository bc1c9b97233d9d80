"""`HassetteConfig`: the tables of ``hassette.toml``, with their keys, meanings and defaults."""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hassette_core.config.environment import TOKEN_KEYS, EnvironmentTables, set_by
from hassette_core.config.problems import missing_token
from hassette_core.config.secrets_file import SECRETS_FILE, readable_by_all, resolve_secrets
from hassette_core.config.text_file import read_text_file
from hassette_core.redaction import SHORTEST_MASKED, Redaction, can_be_masked, find_secrets
from hassette_executor import ExecutorSettings

EXECUTOR_SHARE = 0.5
"""Share of the stop budget for the executor, which waits for runs in progress and writes the last records."""
GRACE_SHARE = 0.15
"""Share of the stop budget for the ``on_shutdown`` methods of the apps. Then running jobs may finish within the same
share before they are cancelled, and then the handlers of events."""

SUPERVISOR_TOKEN = "SUPERVISOR_TOKEN"  # noqa: S105  It is the name of a variable.
"""The environment variable in which the Supervisor passes its token to each of its apps."""
SUPERVISOR_URL = "http://supervisor/core"
"""The address at which the Supervisor forwards requests of its apps to Home Assistant."""


LogLevel = Literal["debug", "info", "warning", "error"]


def _known_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("a time zone such as 'Europe/Vienna'") from None  # this text follows "<key> must be"
    return name


class Table(BaseModel):
    """A table of the file. An unknown key is an error. Values cannot be changed."""

    # The text of an error of pydantic shows the input, which may be a secret. `Problems` shows inputs that are none.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class FrameworkSettings(Table):
    """``[hassette]``: the framework itself.

    Attributes:
        data_dir: Directory of the history. A relative path starts at the directory of the configuration file.
        app_dir: Directory of the apps' modules.
        log_level: Minimum level of log messages.
        time_zone: Time zone of schedules; None for Home Assistant's time zone.
        reload: Whether ``hassette run`` reloads apps after a change of their code or settings.
        secrets_file: File with the secrets that the configuration refers to. A relative path starts at the directory of
            the configuration file.
        stop_budget_s: Seconds for a clean stop. By default, Docker kills a process after 10 s and systemd after 90 s.
    """

    data_dir: Path = Path("data")
    app_dir: Path = Path("apps")
    log_level: LogLevel = "info"
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] | None = None
    reload: bool = True
    secrets_file: Path = SECRETS_FILE
    stop_budget_s: Annotated[float, Field(gt=0, le=600)] = 9.0

    @property
    def executor_stop_s(self) -> float:
        """Seconds of the stop budget for the executor."""
        return self.stop_budget_s * EXECUTOR_SHARE

    @property
    def grace_s(self) -> float:
        """Seconds for the ``on_shutdown`` methods of the apps. Then jobs and then handlers get the same time."""
        return self.stop_budget_s * GRACE_SHARE


class HomeAssistantSettings(Table):
    """``[home_assistant]``: address, token and encryption.

    In an app of the Supervisor, the table may be empty: without ``url``, ``token`` and ``token_file``, the address and
    the token of the Supervisor are used.

    Attributes:
        url: The address that you open in a browser.
        token: A long-lived access token.
        token_file: A file that contains the token, such as a container secret. A relative path starts at the directory
            of the configuration file.
        verify_ssl: False accepts every certificate of the server. Any device in the network can then read the token.
        ca_file: A PEM file with certificates to trust in addition to those of the system. A relative path starts at the
            directory of the configuration file.
    """

    url: str = "http://homeassistant.local:8123"
    token: SecretStr | None = None
    token_file: Path | None = None
    verify_ssl: bool = True
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _check_ca_file(self) -> Self:
        if self.ca_file is None:
            return self
        if not self.verify_ssl:
            raise ValueError(f"ca_file must be left out if verify_ssl is false, got {str(self.ca_file)!r}")
        expected = "ca_file must be a PEM file with at least one certificate (-----BEGIN CERTIFICATE-----)"
        import ssl  # it takes 10 ms, and few homes have such a file

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.ca_file)
        except ssl.SSLError:
            raise ValueError(f"{expected}, got {str(self.ca_file)!r}: it contains no readable certificate") from None
        except OSError as error:
            raise ValueError(f"{expected}, got {str(self.ca_file)!r}: {error.strerror}") from None
        return self

    @model_validator(mode="before")
    @classmethod
    def _read_token_file(cls, table: object) -> object:
        if not isinstance(table, dict) or "token_file" not in table or "token" in table:
            return cast("object", table)
        given = cast("dict[str, Any]", table)
        if not isinstance(path := given["token_file"], str | Path):
            return given  # the field's type rejects it
        try:
            return {**given, "token": read_text_file(Path(path)).strip()}
        except OSError as error:
            raise ValueError(f"token_file must be a readable file, got {str(path)!r}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"token_file must be a readable file, got {str(path)!r}: not UTF-8 text") from None


class WatchdogSettings(Table):
    """``[watchdogs]``: limits for apps that disturb the others.

    Attributes:
        blocked_s: Code that blocks the event loop for so many seconds is reported; 0 reports none.
        loop_turns: Listeners that trigger each other, or themselves, more often than this within a minute are paused;
            0 pauses none.
        loop_pause_s: Length of this pause, in seconds.
    """

    blocked_s: Annotated[float, Field(ge=0, le=600)] = 1.0
    loop_turns: Annotated[int, Field(ge=0, le=10_000)] = 100
    loop_pause_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0


class RecordingSettings(Table):
    """``[recording]``: the content of the history in addition to runs. Without a sink, nothing is recorded.

    Attributes:
        home: Whether to record changes of the home and their causes: automations, scripts, service calls and users.
        names: Whether to record the names of entities, devices, areas and users.
        log: Whether to record warnings and errors that are logged outside runs.
        domains: Domains of entities of which each change of the state is recorded; None for all domains on which people
            can act, such as lights and covers. Other entities are recorded only if a user, an automation or a script
            caused the change.
        exclude: Entity ids and globs of entities whose changes are not recorded.
    """

    home: bool = True
    names: bool = True
    log: bool = True
    domains: list[str] | None = None
    exclude: list[str] = Field(default_factory=list[str])


class AppEntry(Table):
    """``[apps.<app key>]``: one app with one or several instances.

    Attributes:
        module: Module in ``app_dir`` that contains the class.
        class_name: Name of the class; the key in the file is ``class``.
        enabled: False disables the app.
        depends_on: Keys of the apps that must be running before this app starts.
        rehearse: True records the changes that the app makes to the home, and does not send them. An instance may have
            its own value.
        log_level: Minimum level of the app's log messages; None for that of ``[hassette]``.
        config: Settings of the app. If there are ``instances``, these settings apply to all of them.
        instances: Settings of each instance, with its ``name``.
    """

    module: str = Field(description="the module in app_dir, such as 'motion_light'")
    class_name: str = Field(alias="class", description="the name of the class in the module, such as 'MotionLight'")
    enabled: bool = True
    depends_on: list[str] = Field(default_factory=list[str])
    rehearse: bool = False
    log_level: LogLevel | None = None
    config: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    instances: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]], repr=False)


class HassetteConfig(BaseSettings):
    """The whole configuration.

    In code, pass the tables as keyword arguments. The environment takes precedence over them.

    Attributes:
        hassette: Settings of the framework.
        home_assistant: Address and token of Home Assistant.
        executor: Limits of runs and records; see `hassette_executor.ExecutorSettings`.
        watchdogs: Limits for apps that disturb the others.
        recording: The content of the history in addition to runs.
        apps: The apps by app key.
        plugins: The tables of plugins (``[store]``, ``[sync]``), which the plugins validate.
        file: The configuration file, if there is one.
        used_secrets: The texts of the secrets that the configuration refers to.
        unmasked_secrets: The names of the secrets among these that are too short to be masked.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    hassette: FrameworkSettings = FrameworkSettings()
    home_assistant: HomeAssistantSettings = HomeAssistantSettings()
    executor: ExecutorSettings = ExecutorSettings()
    watchdogs: WatchdogSettings = WatchdogSettings()
    recording: RecordingSettings = RecordingSettings()
    apps: dict[str, AppEntry] = Field(default_factory=dict[str, AppEntry])
    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]], repr=False)
    file: Path | None = None
    used_secrets: frozenset[str] = Field(default=frozenset(), repr=False, exclude=True)
    unmasked_secrets: tuple[str, ...] = Field(default=(), exclude=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Give the environment precedence over the file. No other source is read."""
        return (EnvironmentTables(settings_cls), init_settings)

    @model_validator(mode="before")
    @classmethod
    def _resolve_files(cls, tables: dict[str, Any]) -> dict[str, Any]:
        file, home = tables.get("file"), tables.get("home_assistant")
        if not isinstance(file, Path) or not isinstance(home, dict):
            return tables
        given = cast("dict[str, Any]", home)
        absolute: dict[str, Path] = {}
        for key in ("token_file", "ca_file"):
            if isinstance(path := given.get(key), str | Path):
                # A RuntimeError: the path starts with "~user", and there is no home directory of that user. The error
                # is reported later, when the file cannot be read.
                with suppress(RuntimeError):
                    absolute[key] = _relative_to(file, Path(path))
        return {**tables, "home_assistant": {**given, **absolute}}

    @model_validator(mode="before")
    @classmethod
    def _use_supervisor(cls, tables: dict[str, Any]) -> dict[str, Any]:
        token, home = os.environ.get(SUPERVISOR_TOKEN, "").strip(), tables.get("home_assistant", {})
        if not token or not isinstance(home, dict):
            return tables
        given = cast("dict[str, Any]", home)
        if {"url", "token", "token_file"} & given.keys():
            return tables
        return {**tables, "home_assistant": {**given, "url": SUPERVISOR_URL, "token": token}}

    @model_validator(mode="before")
    @classmethod
    def _prefer_token_file_of_environment(cls, tables: dict[str, Any]) -> dict[str, Any]:
        home = tables.get("home_assistant")
        if not isinstance(home, dict) or not set_by(("home_assistant", "token_file")):
            return tables
        if set_by(("home_assistant", "token")):
            return tables
        given = cast("dict[str, Any]", home)
        return {**tables, "home_assistant": {key: value for key, value in given.items() if key != "token"}}

    @model_validator(mode="before")  # defined last, so that it runs before the other validators
    @classmethod
    def _resolve_secrets(cls, tables: dict[str, Any]) -> dict[str, Any]:
        hassette, file = tables.get("hassette"), tables.get("file")
        named = (
            cast("dict[str, Any]", hassette).get("secrets_file", SECRETS_FILE) if isinstance(hassette, dict) else None
        )
        path = Path(named) if isinstance(named, str | Path) else SECRETS_FILE
        found = resolve_secrets(tables, _relative_to(file if isinstance(file, Path) else None, path))
        return {**found.tables, "used_secrets": found.used, "unmasked_secrets": found.unmasked}

    @property
    def secrets_file(self) -> Path:
        """Absolute path of the file with the secrets. It may not exist."""
        return self._from_file(self.hassette.secrets_file)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems that do not prevent the start."""
        found: list[str] = []
        if self.used_secrets and readable_by_all(self.secrets_file):
            found.append(f"every user of this machine can read {self.secrets_file}; run chmod 600 {self.secrets_file}")
        if self.unmasked_secrets:
            found.append(
                f"{self.secrets_file}: logs and records may show {', '.join(self.unmasked_secrets)}; only a secret with"
                f" at least {SHORTEST_MASKED} characters can be masked"
            )
        return tuple(found)

    @property
    def data_dir(self) -> Path:
        """Absolute path of the directory of the history."""
        return self._from_file(self.hassette.data_dir)

    @property
    def app_dir(self) -> Path:
        """Absolute path of the directory of the apps' modules."""
        return self._from_file(self.hassette.app_dir)

    @property
    def secrets(self) -> frozenset[str]:
        """Tokens, and the values of secret keys in the settings of plugins and apps. No log may contain these texts.

        Secrets of the secrets file with fewer than `SHORTEST_MASKED` characters are left out.
        """
        token = self.home_assistant.token
        found = [table.get(key) for table in self.plugins.values() for key in TOKEN_KEYS]
        found += [token.get_secret_value() if token is not None else None, os.environ.get(SUPERVISOR_TOKEN)]
        found += filter(can_be_masked, self.used_secrets)
        found += find_secrets([self.home_assistant.url, self.plugins])
        for app in self.apps.values():
            found += [*find_secrets(app.config), *find_secrets(app.instances)]
        return frozenset(secret for secret in found if isinstance(secret, str) and secret)

    def __repr__(self) -> str:
        """Return the repr without secrets. For example, an address may contain a password."""
        return Redaction(self.secrets)(super().__repr__())

    def __str__(self) -> str:
        """Return the text without secrets."""
        return Redaction(self.secrets)(super().__str__())

    @property
    def executor_settings(self) -> ExecutorSettings:
        """The executor's settings. Their stop timeout is at most the executor's share of the stop budget."""
        stop_timeout_s = min(self.executor.stop_timeout_s, self.hassette.executor_stop_s)
        return replace(self.executor, stop_timeout_s=stop_timeout_s)

    def require_token(self) -> str:
        """Return the access token.

        Raises:
            ConfigError: The configuration has no token.
        """
        token = self.home_assistant.token
        if token is None or not token.get_secret_value().strip():
            raise missing_token(self.file)
        return token.get_secret_value()

    def _from_file(self, path: Path) -> Path:
        return _relative_to(self.file, path)


def _relative_to(file: Path | None, path: Path) -> Path:
    base = file.parent if file is not None else Path()
    return (base / path.expanduser()).absolute()
