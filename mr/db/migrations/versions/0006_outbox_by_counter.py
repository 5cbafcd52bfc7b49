"""The log of changes by counter: how far an environment's changes came is asked without reading all of it."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_outbox_counter_id", "outbox", ["counter_id", "seq"], unique=False)
