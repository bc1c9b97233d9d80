"""Delivery of records: to the live feed, to the sinks through write queues, and to the log."""
