"""Writing of a batch: records become rows, and one transaction stores them."""
