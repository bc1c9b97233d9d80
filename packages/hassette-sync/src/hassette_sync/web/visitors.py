"""Senders of requests: a program with the token, a browser that has signed in, or any sender where no token is set."""

from dataclasses import dataclass
from typing import Final, Literal

VISITOR: Final = "hassette.visitor"
"""Key of the visitor in the scope of a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Sender of a request.

    Attributes:
        kind: ``token``: the request has the token. ``session``: it has the cookie of a browser that has signed in.
            ``open``: no token is set. ``unknown``: the request was not admitted.
        address: Address of the sender, as far as it is known.
        session: Key of the browser's session; otherwise empty.
        user: Name of the user of Home Assistant, if its ingress has sent it.
    """

    kind: Literal["token", "session", "open", "unknown"]
    address: str
    session: str = ""
    user: str = ""

    @property
    def is_admitted(self) -> bool:
        """Whether the visitor may read."""
        return self.kind != "unknown"

    @property
    def name(self) -> str:
        """Name for the list of events, and for sentences such as *disabled by a visitor without a token*."""
        if self.user:
            return self.user
        how = {"token": "token", "session": f"browser {self.session[:6]}"}
        return f"{how.get(self.kind, 'a visitor without a token')} ({self.address})"
