"""The pages and the HTTP API. They need the extra ``web``."""
