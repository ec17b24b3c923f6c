"""Alembic's environment: runs on the connection that is handed over, inside its transaction, or writes SQL for it."""

from alembic import context

from csv_manager.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
)
with context.begin_transaction():
    context.run_migrations()
