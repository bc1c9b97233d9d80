"""Work at each start, before the first write: inspect, create, upgrade or recover the file."""
