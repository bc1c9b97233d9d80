"""Helpers that the tests share, imported as ``support.…``.

A module imports only packages that are installed wherever its users run: tests/executor runs with hassette-executor
alone, tests/store with hassette-store alone, tests/sync without core and executor.
"""
