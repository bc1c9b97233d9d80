"""Values that the executor produces, all immutable: registrations, runs, failures, batches."""
