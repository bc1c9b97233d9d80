"""Which schemas this version reads."""

HEAD_REVISION = "0001"
"""The newest revision that the queries were written for."""


def is_newer(revision: str) -> bool:
    """Tell whether a newer hassette-store wrote the file: revisions are numbered, four digits each."""
    return revision > HEAD_REVISION
