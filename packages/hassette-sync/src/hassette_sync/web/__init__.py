"""The pages and the HTTP API; needs the extra ``web``."""
