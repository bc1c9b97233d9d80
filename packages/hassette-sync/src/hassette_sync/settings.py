"""Settings of the pages: the table ``[sync]`` of hassette.toml."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
MIN_TOKEN_LENGTH = 16


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
        if self.token is not None and len(self.token) < MIN_TOKEN_LENGTH:
            raise ValueError(
                f"token must be a secret of at least {MIN_TOKEN_LENGTH} characters, got {len(self.token)} characters"
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
        _check_type(values, "token", str, "text")
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
        shown = type(value).__name__ if key == "token" else repr(value)
        raise ValueError(f"{key} must be {expected}, got {shown}")


def _texts(key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        texts = [text for text in value if isinstance(text, str)]  # pyright: ignore[reportUnknownVariableType]
        if len(texts) == len(value):  # pyright: ignore[reportUnknownArgumentType]
            return tuple(texts)
    raise ValueError(f"{key} must be a list of texts, got {value!r}")


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
