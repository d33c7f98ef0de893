"""How channels are connected: approvals that are under way, tokens that end, what checks found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)
KINDS = "kind IN ('access_token', 'webhook_secret', 'api_key', 'signing_secret', 'client_secret', 'refresh_token')"


def upgrade() -> None:
    op.add_column("channel", sa.Column("resets", sa.Integer, nullable=False, server_default="0"), schema="gateway")
    op.drop_constraint("credential_kind", "credential", schema="gateway", type_="check")
    op.create_check_constraint("credential_kind", "credential", KINDS, schema="gateway")
    op.create_table(
        "connection",
        sa.Column("channel_id", sa.Uuid, sa.ForeignKey("gateway.channel.id"), primary_key=True),
        sa.Column("access_by", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("authorized_at", MOMENT, nullable=False),
        sa.Column("scopes", ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("renewals", sa.Integer, nullable=False, server_default="0"),
        sa.Column("renewed_at", MOMENT),
        sa.Column("renewal_due_at", MOMENT),
        sa.Column("renewal_failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("renewal_problem", sa.Text, nullable=False, server_default=""),
        sa.Column("renewal_claim", sa.Uuid),
        sa.Column("renewal_claimed_until", MOMENT),
        sa.Column("ended", sa.Text, nullable=False, server_default=""),
        sa.Column("check_due_at", MOMENT),
        sa.Column("check_claim", sa.Uuid),
        sa.Column("check_claimed_until", MOMENT),
        sa.Column("checked_at", MOMENT),
        sa.Column("report", JSONB, nullable=False, server_default="{}"),
        sa.Column("repairs", JSONB, nullable=False, server_default="[]"),
        sa.Column("uninstall_told_at", MOMENT),
        sa.CheckConstraint("access_by IN ('token', 'client_credentials', 'approval')", name="connection_access_by"),
        schema="gateway",
    )
    op.execute("""
        INSERT INTO gateway.connection (channel_id, access_by, client_id, generation, authorized_at, check_due_at)
        SELECT id, 'token', '', 1, changed_at, CASE WHEN kind = 'shopify' THEN now() END FROM gateway.channel
    """)
    op.create_table(
        "approval",
        sa.Column("state_hash", sa.LargeBinary, primary_key=True),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("shop", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("base_url", sa.Text, nullable=False),
        sa.Column("settings", JSONB, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        schema="gateway",
    )
