"""The audit, and its chain."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# SQLite gives automatic keys to plain INTEGER alone.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UNSEALED = sa.text("position IS NULL")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("operation", sa.Text(), nullable=True),
        sa.Column("actor_kind", sa.String(20), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=True),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("object_kind", sa.String(40), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("object_name", sa.Text(), nullable=True),
        sa.Column("portfolio_id", sa.Uuid(), nullable=True),
        sa.Column("application_id", sa.Uuid(), nullable=True),
        sa.Column("environment_id", sa.Uuid(), nullable=True),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("position", NUMBER, nullable=True),
        sa.Column("hash", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_audit_position", "audit", ["position"], unique=True)
    op.create_index(
        "ix_audit_unsealed", "audit", ["seq"], unique=False, postgresql_where=UNSEALED, sqlite_where=UNSEALED
    )
    op.create_index("ix_audit_at", "audit", ["at", "seq"], unique=False)
    op.create_index("ix_audit_actor_id", "audit", ["actor_id", "seq"], unique=False)
    op.create_index("ix_audit_object_id", "audit", ["object_id", "seq"], unique=False)
    op.create_index("ix_audit_portfolio_id", "audit", ["portfolio_id", "seq"], unique=False)
    op.create_index("ix_audit_environment_id", "audit", ["environment_id", "seq"], unique=False)
