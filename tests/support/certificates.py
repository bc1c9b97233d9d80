"""Certificates of test servers, made with the program ``openssl``."""

import ssl
import subprocess
from pathlib import Path


def make_certificate(folder: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate that is signed by itself.

    Args:
        folder: The folder for the files.
        names: The names for which the certificate is valid, such as ``DNS:localhost`` or ``IP:127.0.0.1``.

    Returns:
        The file with the certificate, and the TLS settings of a server that uses it.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={','.join(names)}"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context
