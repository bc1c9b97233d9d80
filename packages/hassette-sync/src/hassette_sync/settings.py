"""The table ``[sync]`` of hassette.toml."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
MIN_TOKEN_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Where and how the pages are served.

    Attributes:
        host: The address to listen on. Any other than this machine's own loopback needs a token.
        port: The TCP port; 0 takes any free one.
        token: What a visitor must show: a secret of at least 16 characters. None asks for nothing.
        allowed_hosts: More names under which browsers may ask, such as ``("hassette.home.arpa",)``. Without a token the
            loopback names are known, with one also every IP address, the machine's name and ``*.local``.
        query_deadline_s: How long one question may take, in seconds.

    Raises:
        ValueError: A value that cannot work, in one sentence that names the key.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    query_deadline_s: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port must be from 0 (any free one) to 65535, not {self.port}")
        if self.query_deadline_s <= 0:
            raise ValueError(f"query_deadline_s must be above 0, not {self.query_deadline_s:g}")
        if self.token is not None and len(self.token) < MIN_TOKEN_LENGTH:
            raise ValueError(f"token must have at least {MIN_TOKEN_LENGTH} characters")
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host!r} can be reached from other machines, so a token is needed: "
                f"set token to a secret of at least {MIN_TOKEN_LENGTH} characters, or host to {DEFAULT_HOST!r}"
            )

    @classmethod
    def from_mapping(cls, settings: Mapping[str, object]) -> Self:
        """Read the table.

        Raises:
            ValueError: An unknown key, a value of the wrong type, or one that cannot work.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(settings) - set(known)):
            raise ValueError(f"{unknown[0]} is not a setting; there are: {', '.join(known)}")
        values: dict[str, object] = dict(settings)
        _expect(values, "host", str, "a text")
        _expect(values, "port", int, "a whole number")
        _expect(values, "token", str, "a text")
        _expect(values, "query_deadline_s", (int, float), "a number of seconds")
        if "allowed_hosts" in values:
            values["allowed_hosts"] = _texts("allowed_hosts", values["allowed_hosts"])
        return cls(**values)  # pyright: ignore[reportArgumentType]  each has just been checked


def _expect(values: Mapping[str, object], key: str, type_: type | tuple[type, ...], wanted: str) -> None:
    value = values.get(key)
    if value is not None and (not isinstance(value, type_) or isinstance(value, bool)):
        found = "" if key == "token" else f", not {value!r}"
        raise ValueError(f"{key} must be {wanted}{found}")


def _texts(key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        texts = [text for text in value if isinstance(text, str)]  # pyright: ignore[reportUnknownVariableType]
        if len(texts) == len(value):  # pyright: ignore[reportUnknownArgumentType]
            return tuple(texts)
    raise ValueError(f"{key} must be a list of texts, not {value!r}")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine itself can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
