"""The schema of the first release: people, portfolios, features, service accounts, and their delivery."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite gives automatic keys to plain INTEGER alone.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LIVE = sa.text("archived_at IS NULL")


def upgrade() -> None:
    _create_tables()
    state = sa.table("system_state", sa.column("key", sa.Text), sa.column("value", sa.Text))
    op.bulk_insert(
        state,
        [{"key": "database_id", "value": str(uuid4())}, {"key": "floor_base", "value": "0"}],
    )
    op.execute("INSERT INTO relay (id, term, holder, until, position, pruned) VALUES (1, 0, '', 0, 0, 0)")


def _create_tables() -> None:
    op.create_table(
        "counter",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("digest", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("pk_counter")),
    )
    op.create_table(
        "delivered",
        sa.Column("environment_id", sa.Uuid(), nullable=False),
        sa.Column("feature_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "feature_id", name=op.f("pk_delivered")),
    )
    op.create_index("ix_delivered_key", "delivered", ["environment_id", "key"], unique=False)
    op.create_table(
        "delivered_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_key_hash", sa.Text(), nullable=False),
        sa.Column("server_key_hash", sa.Text(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("filters", sa.Text(), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.Column("tombstone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivered_account")),
    )
    op.create_index(
        "ix_delivered_account_client_key_hash", "delivered_account", ["client_key_hash"], unique=False
    )
    op.create_index(
        "ix_delivered_account_server_key_hash", "delivered_account", ["server_key_hash"], unique=False
    )
    op.create_table(
        "delivered_environment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("info", sa.Text(), nullable=False),
        sa.Column("tombstone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivered_environment")),
    )
    op.create_index(
        "ix_delivered_environment_application_id", "delivered_environment", ["application_id"], unique=False
    )
    op.create_table(
        "key_floor",
        sa.Column("environment_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "key", name=op.f("pk_key_floor")),
    )
    op.create_table(
        "key_tombstone",
        sa.Column("environment_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("feature_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("filters", sa.Text(), nullable=False),
        sa.Column("until", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "key", name=op.f("pk_key_tombstone")),
    )
    op.create_index("ix_key_tombstone_until", "key_tombstone", ["until"], unique=False)
    op.create_table(
        "organization",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("counter_kind", sa.String(length=16), nullable=False),
        sa.Column("counter_id", sa.Uuid(), nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("previous", NUMBER, nullable=False),
        sa.Column("digest", sa.String(16), nullable=False),
        sa.Column("previous_digest", sa.String(16), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position", NUMBER, nullable=True),
        sa.Column("published", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["seq"],
        unique=False,
        postgresql_where=sa.text("position IS NULL"),
        sqlite_where=sa.text("position IS NULL"),
    )
    op.create_index("uq_outbox_id", "outbox", ["id"], unique=True)
    op.create_index("uq_outbox_position", "outbox", ["position"], unique=True)
    op.create_table(
        "relay",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("term", NUMBER, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", NUMBER, nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("pruned", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relay")),
    )
    op.create_table(
        "sdk_update",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "request_id", name=op.f("pk_sdk_update")),
    )
    op.create_index("ix_sdk_update_created", "sdk_update", ["created"], unique=False)
    op.create_table(
        "system_state",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_system_state")),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("person_type", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("password_requires_reset", sa.Boolean(), nullable=False),
        sa.Column("registration_token_hash", sa.Text(), nullable=True),
        sa.Column("registration_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("access_token_hash", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("other", sa.Text(), nullable=True),
        sa.Column("last_authenticated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_person_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    op.create_index("uq_person_access_token_hash", "person", ["access_token_hash"], unique=True)
    op.create_index("uq_person_email", "person", ["email"], unique=True)
    op.create_index("uq_person_registration_token_hash", "person", ["registration_token_hash"], unique=True)
    op.create_table(
        "portfolio",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_portfolio_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portfolio")),
    )
    op.create_index(
        "uq_portfolio_name",
        "portfolio",
        ["organization_id", "name"],
        unique=True,
        postgresql_where=LIVE,
        sqlite_where=LIVE,
    )
    op.create_table(
        "application",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["portfolio_id"], ["portfolio.id"], name=op.f("fk_application_portfolio_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application")),
    )
    op.create_index(
        "uq_application_name",
        "application",
        ["portfolio_id", "name"],
        unique=True,
        postgresql_where=LIVE,
        sqlite_where=LIVE,
    )
    op.create_table(
        "feature_filter",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["portfolio_id"], ["portfolio.id"], name=op.f("fk_feature_filter_portfolio_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_filter")),
    )
    op.create_index("uq_feature_filter_name", "feature_filter", ["portfolio_id", "name"], unique=True)
    op.create_table(
        "login_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_login_session_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_session")),
    )
    op.create_index("ix_login_session_expires_at", "login_session", ["expires_at"], unique=False)
    op.create_index("ix_login_session_person_id", "login_session", ["person_id"], unique=False)
    op.create_index("uq_login_session_token_hash", "login_session", ["token_hash"], unique=True)
    op.create_table(
        "person_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("portfolio_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("admin", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_person_group_organization_id")
        ),
        sa.ForeignKeyConstraint(
            ["portfolio_id"], ["portfolio.id"], name=op.f("fk_person_group_portfolio_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_group")),
    )
    op.create_index(
        "uq_person_group_admin",
        "person_group",
        ["portfolio_id"],
        unique=True,
        postgresql_where=sa.text("admin AND archived_at IS NULL AND portfolio_id IS NOT NULL"),
        sqlite_where=sa.text("admin AND archived_at IS NULL AND portfolio_id IS NOT NULL"),
    )
    op.create_index(
        "uq_person_group_name",
        "person_group",
        ["portfolio_id", "name"],
        unique=True,
        postgresql_where=LIVE,
        sqlite_where=LIVE,
    )
    op.create_index(
        "uq_person_group_superusers",
        "person_group",
        ["organization_id"],
        unique=True,
        postgresql_where=sa.text("admin AND archived_at IS NULL AND portfolio_id IS NULL"),
        sqlite_where=sa.text("admin AND archived_at IS NULL AND portfolio_id IS NULL"),
    )
    op.create_table(
        "service_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("client_key", sa.Text(), nullable=False),
        sa.Column("server_key", sa.Text(), nullable=False),
        sa.Column("client_key_hash", sa.Text(), nullable=False),
        sa.Column("server_key_hash", sa.Text(), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_service_account_person_id")),
        sa.ForeignKeyConstraint(
            ["portfolio_id"], ["portfolio.id"], name=op.f("fk_service_account_portfolio_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_account")),
    )
    op.create_index("ix_service_account_person_id", "service_account", ["person_id"], unique=False)
    op.create_index("uq_service_account_client_key_hash", "service_account", ["client_key_hash"], unique=True)
    op.create_index(
        "uq_service_account_name",
        "service_account",
        ["portfolio_id", "name"],
        unique=True,
        postgresql_where=LIVE,
        sqlite_where=LIVE,
    )
    op.create_index("uq_service_account_server_key_hash", "service_account", ["server_key_hash"], unique=True)
    op.create_table(
        "application_strategy",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("percentage", sa.Integer(), nullable=True),
        sa.Column("percentage_attributes", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("colouring", sa.Integer(), nullable=True),
        sa.Column("avatar", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_application_strategy_application_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application_strategy")),
    )
    op.create_index(
        "uq_application_strategy_code", "application_strategy", ["application_id", "code"], unique=True
    )
    op.create_table(
        "environment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("production", sa.Boolean(), nullable=False),
        sa.Column("prior_environment_id", sa.Uuid(), nullable=True),
        sa.Column("environment_info", sa.Text(), nullable=False),
        sa.Column("webhook_info", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_environment_application_id")
        ),
        sa.ForeignKeyConstraint(
            ["prior_environment_id"], ["environment.id"], name=op.f("fk_environment_prior_environment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_environment")),
    )
    op.create_index(
        "ix_environment_prior_environment_id", "environment", ["prior_environment_id"], unique=False
    )
    op.create_index(
        "uq_environment_name",
        "environment",
        ["application_id", "name"],
        unique=True,
        postgresql_where=LIVE,
        sqlite_where=LIVE,
    )
    op.create_table(
        "feature",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=True),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("meta_data", sa.Text(), nullable=True),
        sa.Column("value_type", sa.Text(), nullable=False),
        sa.Column("secret", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_feature_application_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature")),
    )
    op.create_index("ix_feature_application_id", "feature", ["application_id"], unique=False)
    op.create_index(
        "uq_feature_key",
        "feature",
        ["application_id", "key"],
        unique=True,
        postgresql_where=LIVE,
        sqlite_where=LIVE,
    )
    op.create_table(
        "group_application_role",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["application.id"],
            name=op.f("fk_group_application_role_application_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["person_group.id"],
            name=op.f("fk_group_application_role_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "application_id", name=op.f("pk_group_application_role")),
    )
    op.create_index(
        "ix_group_application_role_application_id", "group_application_role", ["application_id"], unique=False
    )
    op.create_table(
        "group_member",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["person_group.id"], name=op.f("fk_group_member_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_group_member_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "person_id", name=op.f("pk_group_member")),
    )
    op.create_index("ix_group_member_person_id", "group_member", ["person_id"], unique=False)
    op.create_table(
        "service_account_filter",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("filter_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["service_account.id"],
            name=op.f("fk_service_account_filter_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["filter_id"],
            ["feature_filter.id"],
            name=op.f("fk_service_account_filter_filter_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "filter_id", name=op.f("pk_service_account_filter")),
    )
    op.create_index(
        "ix_service_account_filter_filter_id", "service_account_filter", ["filter_id"], unique=False
    )
    op.create_table(
        "feature_filter_link",
        sa.Column("feature_id", sa.Uuid(), nullable=False),
        sa.Column("filter_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["feature_id"], ["feature.id"], name=op.f("fk_feature_filter_link_feature_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["filter_id"],
            ["feature_filter.id"],
            name=op.f("fk_feature_filter_link_filter_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("feature_id", "filter_id", name=op.f("pk_feature_filter_link")),
    )
    op.create_index("ix_feature_filter_link_filter_id", "feature_filter_link", ["filter_id"], unique=False)
    op.create_table(
        "feature_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("environment_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("sort_order", sa.Integer(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("strategies", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environment.id"], name=op.f("fk_feature_group_environment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_group")),
    )
    op.create_index(
        "ix_feature_group_environment_id",
        "feature_group",
        ["environment_id"],
        unique=False,
        postgresql_where=LIVE,
        sqlite_where=LIVE,
    )
    op.create_table(
        "feature_value",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("feature_id", sa.Uuid(), nullable=False),
        sa.Column("environment_id", sa.Uuid(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("strategies", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environment.id"], name=op.f("fk_feature_value_environment_id")
        ),
        sa.ForeignKeyConstraint(["feature_id"], ["feature.id"], name=op.f("fk_feature_value_feature_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_value")),
    )
    op.create_index("ix_feature_value_environment_id", "feature_value", ["environment_id"], unique=False)
    op.create_index(
        "uq_feature_value_feature", "feature_value", ["feature_id", "environment_id"], unique=True
    )
    op.create_table(
        "group_environment_role",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("environment_id", sa.Uuid(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environment.id"],
            name=op.f("fk_group_environment_role_environment_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["person_group.id"],
            name=op.f("fk_group_environment_role_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "environment_id", name=op.f("pk_group_environment_role")),
    )
    op.create_index(
        "ix_group_environment_role_environment_id", "group_environment_role", ["environment_id"], unique=False
    )
    op.create_table(
        "service_account_permission",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("environment_id", sa.Uuid(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["service_account.id"],
            name=op.f("fk_service_account_permission_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environment.id"],
            name=op.f("fk_service_account_permission_environment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "environment_id", name=op.f("pk_service_account_permission")),
    )
    op.create_index(
        "ix_service_account_permission_environment_id",
        "service_account_permission",
        ["environment_id"],
        unique=False,
    )
    op.create_table(
        "feature_group_feature",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("feature_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["feature_id"],
            ["feature.id"],
            name=op.f("fk_feature_group_feature_feature_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["feature_group.id"],
            name=op.f("fk_feature_group_feature_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "feature_id", name=op.f("pk_feature_group_feature")),
    )
    op.create_index(
        "ix_feature_group_feature_feature_id", "feature_group_feature", ["feature_id"], unique=False
    )
    op.create_table(
        "feature_value_version",
        sa.Column("feature_value_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version_from", sa.Integer(), nullable=False),
        sa.Column("value_type", sa.Text(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("strategies", sa.Text(), nullable=False),
        sa.Column("application_strategies", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["feature_value_id"],
            ["feature_value.id"],
            name=op.f("fk_feature_value_version_feature_value_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("feature_value_id", "version", name=op.f("pk_feature_value_version")),
    )
    op.create_table(
        "strategy_use",
        sa.Column("feature_value_id", sa.Uuid(), nullable=False),
        sa.Column("strategy_id", sa.Uuid(), nullable=False),
        sa.Column("sort_order", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["feature_value_id"],
            ["feature_value.id"],
            name=op.f("fk_strategy_use_feature_value_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["strategy_id"],
            ["application_strategy.id"],
            name=op.f("fk_strategy_use_strategy_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("feature_value_id", "strategy_id", name=op.f("pk_strategy_use")),
    )
    op.create_index("ix_strategy_use_strategy_id", "strategy_use", ["strategy_id"], unique=False)
    op.create_index(
        "uq_application_strategy_name",
        "application_strategy",
        ["application_id", sa.text("lower(name)")],
        unique=True,
        postgresql_where=LIVE,
        sqlite_where=LIVE,
    )
