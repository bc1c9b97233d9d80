"""Delivery of records: to the live feed, to the sinks through write queues, and to the log.

1. `dispatcher` takes the records from the executor's buffer. It passes them to `feed`, to a `write_queue` for each
   sink, and to `outcome_log`.
2. The write queue keeps records in `backlog` and announcements in `batch_builder`, and makes the next batch from both.
   The announcements include the counts of evicted records, which are collected in `summaries`.
3. `unsettled` keeps each batch until it is stored or lost.
4. `attempts` passes the batch to the sink (`sinks`) and decides how long to wait after a failure.
5. `flush_schedule` wakes the queue when a batch is due, and the callers of a flush when their records are settled.
6. `loss_counter` counts and logs records that do not reach the sink.
"""
