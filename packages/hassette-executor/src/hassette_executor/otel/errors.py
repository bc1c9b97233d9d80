"""Errors of sending data from the OpenTelemetry sink to the receiver.

HassetteError
├── ExportFailedError             the data could not be sent now; sending can be retried
│   └── ExportRefusedError        the receiver refuses every request until a setting is corrected
└── ExportRejectedError           the receiver will never accept the data (also a ValueError, as `RecordSink` requires)
"""

from hassette_executor.errors import HassetteError, RecordsRefusedError


class ExportFailedError(HassetteError):
    """The receiver could not be reached or refused the request; the same data can be sent again.

    Args:
        what: ``traces``, ``metrics`` or ``logs``.
        endpoint: Address of the receiver.
        reason: The reason given by the exporter or the receiver.
    """

    def __init__(self, what: str, endpoint: str, reason: str) -> None:
        super().__init__(f"{what} could not be sent to {endpoint}: {reason}")


class ExportRefusedError(ExportFailedError, RecordsRefusedError):
    """The receiver refuses every request for this signal until a setting is corrected.

    Args:
        what: ``traces``, ``metrics`` or ``logs``.
        endpoint: Address of the receiver.
        reason: The answer of the receiver.
        knows_signal: Whether the receiver may accept this signal after a correction of the headers. False if it has no
            such path or method.
    """

    def __init__(self, what: str, endpoint: str, reason: str, *, knows_signal: bool) -> None:
        super().__init__(what, endpoint, reason)
        self.reason = reason
        self.knows_signal = knows_signal


class ExportRejectedError(HassetteError, ValueError):
    """The receiver will never accept this data.

    Args:
        what: ``traces``, ``metrics`` or ``logs``.
        endpoint: Address of the receiver.
        reason: The reason given by the receiver.
    """

    def __init__(self, what: str, endpoint: str, reason: str) -> None:
        super().__init__(f"{what} were rejected by {endpoint}: {reason}")
