"""Entry point of Alembic. The caller passes an open connection and controls the transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
