"""One function for each question: a read transaction and parameters in, a typed answer out.

A ``time_range`` of None means the last 24 hours. Pages continue with the ``next_cursor`` of the page before.
"""
