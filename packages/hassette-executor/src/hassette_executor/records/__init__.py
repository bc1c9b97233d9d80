"""Immutable values of the executor: registrations, runs, failures, batches."""
