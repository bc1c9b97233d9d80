"""Keep secrets out of logs, records, pages and error messages.

A value is a secret if its key looks like the name of a secret, such as ``token`` (`keys`). `HassetteConfig.secrets`
collects the secrets of the configuration with `find_secrets`. A `Redaction` masks these secrets in texts. The framework
passes a `Redaction` to each component that records or logs (bus, api, executor, live view, session). In the data of a
service call, the api also masks the value of each secret key (`mask_secret_values`). While the framework runs,
`redacted_logging` masks every log record of the process. The commands call `redact_output`, which masks everything else
that the process prints.
"""

from hassette_core.redaction.keys import (
    MASK,
    MIN_LENGTH,
    SHORTEST_MASKED,
    can_be_masked,
    find_secrets,
    is_secret_key,
    mask_secret_values,
)
from hassette_core.redaction.log_records import redacted_logging
from hassette_core.redaction.output import log_stray_exceptions, redact_output
from hassette_core.redaction.texts import Redaction

__all__ = [
    "MASK",
    "MIN_LENGTH",
    "SHORTEST_MASKED",
    "Redaction",
    "can_be_masked",
    "find_secrets",
    "is_secret_key",
    "log_stray_exceptions",
    "mask_secret_values",
    "redact_output",
    "redacted_logging",
]
