"""TLS of the connection to Home Assistant: trusted certificates, and errors that explain how to fix them."""

import ssl
from pathlib import Path

_SELF_SIGNED = (18, 19)
_UNKNOWN_ISSUER = (2, 20, 21)
_NOT_YET_VALID = 9
_EXPIRED = 10
_WRONG_NAME = (62, 64)
"""Numbers of OpenSSL (``X509_V_ERR_…``). Numbers are compared, because the texts differ between versions."""


def tls_context(ca_file: Path | None, *, verify: bool) -> ssl.SSLContext | bool:
    """Return aiohttp's setting for TLS connections.

    Args:
        ca_file: A PEM file with certificates to trust in addition to those of the system, or None.
        verify: False accepts every certificate.

    Raises:
        OSError: The file cannot be read, or contains no certificate.
    """
    if ca_file is None or not verify:
        return verify  # aiohttp has both settings, and shares them
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    return context


def describe_tls_error(error: ssl.SSLError, host: str) -> str:
    """Return the problem of the certificate or the connection, and a fix."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
            return "the server does not use TLS on this port; set url in [home_assistant] to an address with http://"
        return f"the encrypted connection failed ({error.reason or error})"
    if error.verify_code in _WRONG_NAME:
        return (
            f"the certificate of the server is not valid for the host name {host!r}; set url in [home_assistant] to a"
            " name that the certificate contains, or set verify_ssl = false there"
        )
    if error.verify_code in _SELF_SIGNED:
        problem = "the certificate of the server is signed by itself or by a private certificate authority"
    elif error.verify_code in _UNKNOWN_ISSUER:
        problem = "the certificate of the server is signed by an unknown certificate authority"
    elif error.verify_code == _EXPIRED:
        return "the certificate of the server has expired; renew it, or check the clock of this machine"
    elif error.verify_code == _NOT_YET_VALID:
        return "the certificate of the server is not valid yet; check the clock of this machine"
    else:
        problem = f"the certificate of the server is not trusted ({error.verify_message})"
    return (
        f"{problem}; set ca_file in [home_assistant] to a PEM file with the certificate of that authority, or set"
        " verify_ssl = false there"
    )
