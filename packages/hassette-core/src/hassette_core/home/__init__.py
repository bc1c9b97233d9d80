"""The home as Home Assistant's registries describe it: areas, floors, devices, labels and users.

`HomeService` reads the registries after each connection and when they change. Apps use `HomeRegistry` as ``self.home``.
"""

from hassette_core.home.data import HomeData
from hassette_core.home.entries import Area, Device, EntityEntry, Floor, HomeEntries, Label, User
from hassette_core.home.registry import HomeRegistry
from hassette_core.home.selection import HomeSelection
from hassette_core.home.service import HomeObserver, HomeService

__all__ = [
    "Area",
    "Device",
    "EntityEntry",
    "Floor",
    "HomeData",
    "HomeEntries",
    "HomeObserver",
    "HomeRegistry",
    "HomeSelection",
    "HomeService",
    "Label",
    "User",
]
