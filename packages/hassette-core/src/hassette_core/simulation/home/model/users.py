"""`Users`: the users of the simulated home, and their access tokens."""

from dataclasses import dataclass

from hassette_core.simulation.home.core import HomeCore, Json


@dataclass(frozen=True, slots=True)
class HomeUser:
    """A user.

    Attributes:
        id: The id that contexts contain as ``user_id``.
        name: For example ``Alex``.
        is_admin: Whether the user may do everything.
        token: An access token with which a client connects as this user.
    """

    id: str
    name: str
    is_admin: bool
    token: str


class Users:
    """All users. The first one is the owner of the home's own access token.

    Args:
        core: The states and events of the home.
        token: The access token of the first user.
    """

    def __init__(self, core: HomeCore, token: str) -> None:
        self._core = core
        self._users = [HomeUser(core.user_id, "Hassette", is_admin=True, token=token)]

    def add(self, name: str, *, is_admin: bool = True) -> HomeUser:
        """Add a user, and fire ``user_added``.

        Raises:
            ValueError: There is a user with this name.
        """
        if any(user.name == name for user in self._users):
            raise ValueError(f"name must be the name of a new user, got {name!r}")
        user = HomeUser(self._core.new_id(), name, is_admin, token=f"token of {name}")
        self._users.append(user)
        self._core.fire("user_added", {"user_id": user.id})
        return user

    def find(self, name: str) -> HomeUser:
        """Return the user with a name or an id.

        Raises:
            KeyError: There is no such user.
        """
        for user in self._users:
            if name in (user.name, user.id):
                return user
        raise KeyError(f"there is no user {name!r}; add_user({name!r}) adds one")

    def with_token(self, token: object) -> HomeUser | None:
        """Return the user who has an access token; None if the token is wrong."""
        return next((user for user in self._users if user.token == token), None)

    def describe(self) -> list[Json]:
        """Return the answer to ``config/auth/list``."""
        return [
            {
                "id": user.id,
                "username": user.name.lower(),
                "name": user.name,
                "is_owner": user is self._users[0],
                "is_active": True,
                "local_only": False,
                "system_generated": False,
                "group_ids": ["system-admin" if user.is_admin else "system-users"],
                "credentials": [{"type": "homeassistant"}],
            }
            for user in self._users
        ]

    def describe_current(self, user: HomeUser) -> Json:
        """Return the answer to ``auth/current_user``."""
        return {
            "id": user.id,
            "name": user.name,
            "is_owner": user is self._users[0],
            "is_admin": user.is_admin,
            "credentials": [{"auth_provider_type": "homeassistant", "auth_provider_id": None}],
            "mfa_modules": [{"id": "totp", "name": "Authenticator app", "enabled": False}],
        }
