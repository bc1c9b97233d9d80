"""Everything that the simulated home knows in addition to states: registries, users, history, failures, calendars."""

from hassette_core.simulation.home.model.failures import Failures
from hassette_core.simulation.home.model.model import HomeCall, HomeModel
from hassette_core.simulation.home.model.registries import Registries
from hassette_core.simulation.home.model.users import HomeUser, Users

__all__ = ["Failures", "HomeCall", "HomeModel", "HomeUser", "Registries", "Users"]
