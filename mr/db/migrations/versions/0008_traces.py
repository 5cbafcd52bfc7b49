"""Where in a trace a change was made, beside what has to be told of it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without defaults: the release before this one writes its rows beside ours.
    op.add_column("outbox", sa.Column("trace", sa.Text(), nullable=True))
    op.add_column("delivery", sa.Column("trace", sa.Text(), nullable=True))
