"""What can go wrong between the sink and the receiver.

HassetteError
├── ExportFailedError             could not be sent now; may be tried again
└── ExportRejectedError           will never be taken as it is (also a ValueError, as `RecordSink.write` asks)
"""

from hassette_executor.errors import HassetteError


class ExportFailedError(HassetteError):
    """The receiver could not be reached, or did not take what was sent; the same may be tried again.

    Args:
        what: ``spans`` or ``metrics``.
        endpoint: The receiver's address.
        reason: What the exporter or the receiver says.
    """

    def __init__(self, what: str, endpoint: str, reason: str) -> None:
        super().__init__(f"{what} could not be sent to {endpoint}: {reason}")


class ExportRejectedError(HassetteError, ValueError):
    """The receiver will never take what was sent, as it is.

    Args:
        what: ``spans`` or ``metrics``.
        endpoint: The receiver's address.
        reason: What the receiver says.
    """

    def __init__(self, what: str, endpoint: str, reason: str) -> None:
        super().__init__(f"{endpoint} does not take these {what}: {reason}")
