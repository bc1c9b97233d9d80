"""One function for each question: a snapshot and parameters in, a typed answer out."""
