"""Requests of the terminal to the running framework, through its API."""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from hassette_sync.errors import ActionError, NotRunningError
from hassette_sync.settings import DEFAULT_HOST, DEFAULT_PORT

CONFIGURATION: Final = "hassette.toml"
_VARIABLE: Final = "HASSETTE__SYNC__"
_TIMEOUT_S: Final = 20.0
_MAX_BYTES: Final = 1_000_000
_WHERE_TO_SET: Final = f"set {_VARIABLE}TOKEN, or token in [sync] of {CONFIGURATION}"
_NO_TOKEN: Final = f"A token is required: {_WHERE_TO_SET}."
_WRONG_TOKEN: Final = f"The token is wrong. Ask for the token of the running Hassette and {_WHERE_TO_SET}."
_EVERY_ADDRESS: Final = ("0.0.0.0", "::", "")  # noqa: S104  compared with, not bound
# The forms of a reference to a secret in hassette.toml.
_REFERENCE: Final = re.compile(r"""\s*(?:secret\(\s*(["'])(?P<called>[^"']+)\1\s*\)|!secret\s+(?P<tagged>\S+))\s*""")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningFramework:
    """Address and token of the running framework.

    Attributes:
        url: Address of its pages, with a slash at the end.
        token: The token; None if no token is set.
    """

    url: str
    token: str | None

    def post(self, path: str, body: Mapping[str, object] | None = None) -> str:
        """Send a request. Return the sentence of the answer.

        Args:
            path: Path below ``/api/v1/``.
            body: Fields of the body.

        Raises:
            ActionError: The framework has refused the request. The message is its reason.
            NotRunningError: No framework answers at the address.
        """
        return _detail(self._send("POST", path, json.dumps(body or {}).encode()), self.url)

    def get(self, path: str) -> bytes:
        """Ask a question. Return the answer as JSON.

        Args:
            path: Path below ``/api/v1/``.

        Raises:
            ActionError: The framework has refused the request. The message is its reason.
            NotRunningError: No framework answers at the address.
        """
        return self._send("GET", path, None)

    def _send(self, method: str, path: str, data: bytes | None) -> bytes:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if self.token is not None:
            # http.client would encode it as Latin-1, and fail with other letters.
            headers["authorization"] = f"Bearer {self.token}".encode().decode("latin-1")
        request = Request(f"{self.url}api/v1/{path}", data, headers, method=method)  # noqa: S310  checked when created
        try:
            with urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310  as above
                return answer.read(_MAX_BYTES)
        except HTTPError as error:
            with error:
                if error.code == HTTPStatus.UNAUTHORIZED:
                    # The sentence of the API is for programs. It names headers, which a person does not send.
                    raise ActionError(_NO_TOKEN if self.token is None else _WRONG_TOKEN) from None
                raise ActionError(_detail(error.read(_MAX_BYTES), self.url)) from None
        except (URLError, OSError, ValueError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise NotRunningError(self.url, str(reason)) from None


def running_framework(
    url: str | None, configuration: Path, environment: Mapping[str, str] | None = None
) -> RunningFramework:
    """Return address and token of the running framework.

    Args:
        url: Address from the command line; takes precedence.
        configuration: Path of hassette.toml. Without the file, the default address applies.
        environment: Environment variables; None takes those of this process. They take precedence over the file.

    Raises:
        ActionError: The address or the token cannot be found. The message names the key.
    """
    settings = _settings(configuration) | _settings_of(os.environ if environment is None else environment)
    token = settings.get("token")
    if token is not None and not isinstance(token, str):
        raise ActionError(f"token in [sync] must be text, got {type(token).__name__}.")
    return RunningFramework(url=_checked(url or _address(settings)), token=_resolved(token, configuration))


def _address(settings: Mapping[str, object]) -> str:
    host, port = str(settings.get("host", DEFAULT_HOST)), str(settings.get("port", DEFAULT_PORT))
    if not port.isdigit() or not 0 < int(port) < 65_536:
        raise ActionError(f"port in [sync] must be from 1 to 65535, got {port!r}. Set it, or pass --url.")
    if host in _EVERY_ADDRESS:
        host = DEFAULT_HOST
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
    except ValueError:
        valid = False
    if not valid:
        raise ActionError(f"url must be an address such as http://{DEFAULT_HOST}:{DEFAULT_PORT}/, got {url!r}.")
    return f"{url.rstrip('/')}/"


def _settings_of(environment: Mapping[str, str]) -> dict[str, object]:
    """Return the settings of sync in the environment. The framework accepts upper and lower case."""
    names = {name.upper(): value for name, value in environment.items()}
    return {key: names[name] for key in ("host", "port", "token") if (name := f"{_VARIABLE}{key.upper()}") in names}


def _settings(configuration: Path) -> dict[str, object]:
    table = _tables(configuration).get("sync", {})
    return cast("dict[str, object]", table) if isinstance(table, dict) else {}


def _tables(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ActionError(f"{file} cannot be read: {error}.") from None


def _resolved(token: str | None, configuration: Path) -> str | None:
    """Return the token. If it is a reference to a secret, return the secret."""
    reference = None if token is None else _REFERENCE.fullmatch(token)
    if reference is None:
        return token
    name = reference["called"] or reference["tagged"]
    table = _tables(configuration).get("hassette", {})
    named = cast("dict[str, object]", table).get("secrets_file") if isinstance(table, dict) else None
    file = configuration.absolute().parent / Path(str(named or "secrets.toml")).expanduser()
    secret = _tables(file).get(name)
    if not isinstance(secret, str):
        raise ActionError(f"token in [sync] must refer to a text in {file}, got the name {name!r}.")
    return secret


def _detail(answer: bytes, url: str) -> str:
    """Return the field ``detail`` of an answer."""
    try:
        fields: Any = json.loads(answer)
        detail = fields["detail"]
    except (ValueError, KeyError, TypeError):
        detail = None
    if not isinstance(detail, str):
        raise NotRunningError(url, "the answer is not from Hassette")
    return detail
