"""Features of Home Assistant that a client must ask for."""

import logging

from hassette_core.errors import CallFailedError, NoAnswerError, UnexpectedAnswerError
from hassette_core.link.connection import Connection

logger = logging.getLogger(__name__)

TIMEOUT_S = 5.0
"""Limit for the answer, in seconds. The connection also works without an answer."""


async def ask_for_lists(connection: Connection) -> None:
    """Allow Home Assistant to send several waiting messages in one frame.

    In a burst, fewer messages then wait, and Home Assistant disconnects a slow client later. An old Home Assistant does
    not know the command, and sends each message in a separate frame.
    """
    try:
        features = {"coalesce_messages": 1}
        await connection.command("ask for lists", "supported_features", timeout_s=TIMEOUT_S, features=features)
    except (CallFailedError, NoAnswerError, UnexpectedAnswerError) as error:
        logger.debug("Home Assistant sends each message in a separate frame", extra={"problem": str(error)})
