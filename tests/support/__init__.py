"""Helpers that the tests share, imported as ``support.…``.

A module may import only packages that are installed for all tests that use the module: tests/executor runs with
hassette-executor alone, tests/store with hassette-store alone, tests/sync without core and executor.
"""
