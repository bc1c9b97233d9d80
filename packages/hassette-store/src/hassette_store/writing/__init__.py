"""Writing of a batch: conversion of its records to rows, and one transaction that stores them.

1. `hassette_store.database.DatabaseService.write` calls `statements.write_batch` in the writer's thread.
2. `encoding` converts the records to rows. `row_ids` assigns the ids of names and registrations, and `totals` adds up
   the statistics.
3. `statements` inserts the rows in one transaction.
"""
