"""Derived data: what the store computes from the rows of runs, and writes later than the rows.

1. `derivation` states up to which run everything is derived, and derives the rest.
2. `statistics` counts runs by hour and by day.
3. `recount` counts runs that the statistics lack after a salvage.
"""
