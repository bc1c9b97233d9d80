"""One function for each question. It takes a read transaction and parameters, and returns a typed answer.

A ``time_range`` of None means the last 24 hours; for sessions, it means all sessions. The ``next_cursor`` of a page is
the ``cursor`` of the next one.
"""
