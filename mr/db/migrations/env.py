"""Alembic's entry: runs revisions on the connection that `mr.db.migrate` hands over."""

from alembic import context

from mr.db.models.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=False,
)
context.run_migrations()
