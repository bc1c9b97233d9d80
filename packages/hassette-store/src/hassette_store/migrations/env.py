"""Alembic's entry: it is given an open connection, and runs the revisions on it inside the caller's transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
