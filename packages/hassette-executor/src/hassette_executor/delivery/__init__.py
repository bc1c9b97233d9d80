"""From a finished run to its readers: the live feed, the write queues in front of the sinks, the log."""
