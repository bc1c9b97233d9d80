"""Settings of the pages: the table ``[sync]`` of hassette.toml."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Self
from urllib.parse import urlsplit

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
MIN_TOKEN_LENGTH = 16
_SECRET_KEYS: Final = ("token", "household_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Address and access of the pages.

    Attributes:
        host: Address to listen on. Any address except loopback requires a token.
        port: TCP port; 0 for any free port.
        token: Secret of at least 16 characters that visitors must present; None for access without a token.
        allowed_hosts: Additional host names that browsers may use, such as ``("hassette.home.arpa",)``, without scheme,
            port and path. The loopback names are always allowed. With a token, all IP addresses, the name of the
            machine and ``*.local`` are allowed, too.
        query_deadline_s: Deadline of one question, in seconds.
        control_without_token: Whether visitors may change something, such as run a job, although no token is set.
        ingress_addresses: Addresses of Home Assistant's ingress, such as ``("172.30.32.2",)``. Only requests from these
            can name the user of Home Assistant.
        household_token: Second secret of at least 16 characters. It opens only the page for the people of the home:
            ``/home?token=…``.
        home_url: Address of Home Assistant for links, such as ``https://home.example``; None for the address to which
            the framework connects.
        editor_url: Address that opens a line of code in an editor, with ``{file}`` and ``{line}``, such as
            ``vscode://file/{file}:{line}``; None for no such links.

    Raises:
        ValueError: A value is invalid. The message is one sentence that names the key.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    query_deadline_s: float = 5.0
    control_without_token: bool = False
    ingress_addresses: tuple[str, ...] = ()
    household_token: str | None = None
    home_url: str | None = None
    editor_url: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port must be from 1 to 65535, or 0 for any free port, got {self.port!r}")
        for name in self.allowed_hosts:
            if not is_host_name(name):
                raise ValueError(
                    "allowed_hosts must be host names such as 'hassette.home.arpa', without scheme, port, path and "
                    f"wildcard, got {name!r}"
                )
        for address in self.ingress_addresses:
            if not is_address(address):
                raise ValueError(f"ingress_addresses must be IP addresses such as '172.30.32.2', got {address!r}")
        # This form also rejects NaN, because every comparison with NaN is false.
        if not self.query_deadline_s > 0:
            raise ValueError(f"query_deadline_s must be above 0, got {self.query_deadline_s!r}")
        for key, secret in (("token", self.token), ("household_token", self.household_token)):
            if secret is not None and len(secret) < MIN_TOKEN_LENGTH:
                raise ValueError(
                    f"{key} must be a secret of at least {MIN_TOKEN_LENGTH} characters, got {len(secret)} characters"
                )
        if self.household_token is not None and self.household_token == self.token:
            raise ValueError("household_token must be another secret than token, got the same secret")
        if self.household_token is not None and self.token is None:
            raise ValueError("household_token must be used with token, got no token, so all pages are open")
        if self.home_url is not None and not _is_web_address(self.home_url):
            raise ValueError(
                f"home_url must be an address such as 'http://homeassistant.local:8123', got {self.home_url!r}"
            )
        if self.editor_url is not None and not _is_editor_address(self.editor_url):
            raise ValueError(
                f"editor_url must be an address such as 'vscode://file/{{file}}:{{line}}', got {self.editor_url!r}"
            )
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"host must be a loopback address such as {DEFAULT_HOST!r} unless token is set, got {self.host!r}. "
                f"Other machines can reach this host: set token to a secret of at least {MIN_TOKEN_LENGTH} characters"
            )

    @classmethod
    def from_mapping(cls, settings: Mapping[str, object]) -> Self:
        """Return the settings of a table.

        Raises:
            ValueError: A key is unknown, or a value is invalid.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(settings) - set(known)):
            raise ValueError(f"{unknown[0]} is not a setting of sync; the settings are: {', '.join(known)}")
        values: dict[str, object] = dict(settings)
        _check_type(values, "host", str, "text")
        _check_type(values, "port", int, "a whole number")
        for key in (*_SECRET_KEYS, "home_url", "editor_url"):
            _check_type(values, key, str, "text")
        _check_type(values, "query_deadline_s", (int, float), "a number of seconds")
        _check_type(values, "control_without_token", bool, "true or false")
        for key in ("allowed_hosts", "ingress_addresses"):
            if key in values:
                values[key] = _texts(key, values[key])
        return cls(**values)  # pyright: ignore[reportArgumentType]  checked above


def _check_type(values: Mapping[str, object], key: str, type_: type | tuple[type, ...], expected: str) -> None:
    value = values.get(key)
    # A bool is an int, too.
    if value is not None and (not isinstance(value, type_) or (isinstance(value, bool) and type_ is not bool)):
        # No token may appear in a log, not even an invalid one.
        shown = type(value).__name__ if key in _SECRET_KEYS else repr(value)
        raise ValueError(f"{key} must be {expected}, got {shown}")


def _texts(key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        texts = [text for text in value if isinstance(text, str)]  # pyright: ignore[reportUnknownVariableType]
        if len(texts) == len(value):  # pyright: ignore[reportUnknownArgumentType]
            return tuple(texts)
    raise ValueError(f"{key} must be a list of texts, got {value!r}")


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _is_editor_address(text: str) -> bool:
    # A link must open a program, and must not run a script in the page.
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", text)
    return "{file}" in text and scheme is not None and scheme[1] not in ("javascript", "data", "vbscript", "blob")


def is_host_name(text: str) -> bool:
    """Return whether a text can be the host name in an address, or an IP address."""
    return is_address(text.strip("[]")) or re.fullmatch(r"\w[\w.-]*", text) is not None


def is_address(text: str) -> bool:
    """Return whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
