"""Answer for the people of the home: what the automations did today, without names from code."""

from typing import Literal

from hassette_sync.answers.values import Answer


class HouseholdItem(Answer):
    """One device of the home, and what the automations did with it today.

    Attributes:
        title: Name of the device in the home, such as ``Hall light``.
        sentence: The actions in words, such as ``switched 14 times today by Hall motion``.
        count: Number of actions.
        problems: Number of actions that failed.
    """

    title: str
    sentence: str
    count: int
    problems: int


class HouseholdRoom(Answer):
    """One area of the home.

    Attributes:
        name: Name of the area; empty for devices without a known area.
        items: Devices with actions today, most actions first; at most 40.
    """

    name: str
    items: tuple[HouseholdItem, ...]


class Household(Answer):
    """The actions of the automations today, without names from code.

    Attributes:
        level: ``good``, ``warning`` or ``bad``.
        sentence: The state of the automations in one sentence.
        problems: Automations that are switched off, rehearsing, paused, or do not work at the moment, one sentence
            each; at most 8.
        rooms: Areas with actions today, in alphabetical order.
        complete: Whether all actions of the day are counted. Otherwise only the newest 2,000 are.
        since_us: Start of the day in the home's time zone.
        at_us: Time of the answer.
    """

    level: Literal["good", "warning", "bad"]
    sentence: str
    problems: tuple[str, ...]
    rooms: tuple[HouseholdRoom, ...]
    complete: bool
    since_us: int
    at_us: int
