"""`AppStatus`: the status of one app instance."""

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True, kw_only=True)
class AppStatus:
    """The status of one instance.

    Attributes:
        app_key: The key of the app in ``hassette.toml``.
        instance: The name of the instance. Empty if the app's class could not be loaded.
        status: One of these:

            - ``loaded``: waits for Home Assistant.
            - ``waiting``: waits for the apps in its ``depends_on``.
            - ``starting``: ``on_initialize`` is running.
            - ``running``.
            - ``retrying``: its start failed, and the framework will try again.
            - ``failed``: could not be loaded. A change of its code or settings is needed.
            - ``stopped``.
        detail: The reason for the failure, or the apps for which this app waits; empty if there is none.
    """

    app_key: str
    instance: str
    status: Literal["loaded", "waiting", "starting", "running", "retrying", "failed", "stopped"]
    detail: str = ""

    @property
    def subject(self) -> str:
        """``app_key.instance``, or only the app key if there is no instance."""
        return f"{self.app_key}.{self.instance}" if self.instance else self.app_key

    @property
    def has_failed(self) -> bool:
        """Whether the app could not be loaded, or its last start failed."""
        return self.status in ("failed", "retrying")
