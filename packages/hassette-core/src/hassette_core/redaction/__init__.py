"""Keep secrets out of logs, records, pages and error messages."""

from hassette_core.redaction.keys import MASK, MIN_LENGTH, find_secrets, is_secret_key, mask_secret_values
from hassette_core.redaction.log_records import redacted_logging
from hassette_core.redaction.texts import Redaction

__all__ = [
    "MASK",
    "MIN_LENGTH",
    "Redaction",
    "find_secrets",
    "is_secret_key",
    "mask_secret_values",
    "redacted_logging",
]
