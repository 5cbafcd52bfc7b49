"""What is remembered for somebody: environments hidden in an application's table."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hidden_environments",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("none_selected", sa.Boolean(), nullable=False),
        sa.Column("environment_ids", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["application.id"],
            name=op.f("fk_hidden_environments_application_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
            name=op.f("fk_hidden_environments_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("person_id", "application_id", name=op.f("pk_hidden_environments")),
    )
    op.create_index(
        "ix_hidden_environments_application_id", "hidden_environments", ["application_id"], unique=False
    )
