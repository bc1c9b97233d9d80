"""SQL functions for sketches. Each connection that writes has them."""

import sqlite3

from hassette_store.sketch import merge, runs_in, subtract


def add_sketch_functions(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Add the SQL functions to a connection; return the connection.

    * ``merge_sketches(one, two)`` returns the sketch of the runs of both.
    * ``subtract_sketch(one, two)`` returns the first sketch without the runs of the second.
    * ``larger_sketch(one, two)`` returns the sketch with more runs.
    """
    connection.create_function("merge_sketches", 2, _merge, deterministic=True)
    connection.create_function("subtract_sketch", 2, subtract, deterministic=True)
    connection.create_function("larger_sketch", 2, _larger, deterministic=True)
    return connection


def _merge(one: bytes, two: bytes) -> bytes:
    return merge((one, two))


def _larger(one: bytes, two: bytes) -> bytes:
    return max(one, two, key=runs_in)
