"""The typed answers: frozen pydantic models."""
