"""Errors of sending data from the OpenTelemetry sink to the receiver.

HassetteError
├── ExportFailedError             the data could not be sent now; sending can be retried
└── ExportRejectedError           the receiver will never accept the data (also a ValueError, as `RecordSink` requires)
"""

from hassette_executor.errors import HassetteError


class ExportFailedError(HassetteError):
    """The receiver could not be reached or refused the request; the same data can be sent again.

    Args:
        what: ``spans`` or ``metrics``.
        endpoint: Address of the receiver.
        reason: The reason given by the exporter or the receiver.
    """

    def __init__(self, what: str, endpoint: str, reason: str) -> None:
        super().__init__(f"{what} could not be sent to {endpoint}: {reason}")


class ExportRejectedError(HassetteError, ValueError):
    """The receiver will never accept this data.

    Args:
        what: ``spans`` or ``metrics``.
        endpoint: Address of the receiver.
        reason: The reason given by the receiver.
    """

    def __init__(self, what: str, endpoint: str, reason: str) -> None:
        super().__init__(f"{what} were rejected by {endpoint}: {reason}")
