"""Accounts, their access keys and their certificates."""

import sqlalchemy as sa
from alembic import op

revision = "accounts_0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("number", sa.String(12), nullable=False, unique=True),
        sa.Column("administrator", sa.Boolean, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
    )
    op.create_table(
        "access_keys",
        sa.Column("identifier", sa.String(64), primary_key=True),
        sa.Column("secret", sa.String(128), nullable=False),
        sa.Column("account", sa.String(64), sa.ForeignKey("accounts.name"), nullable=False),
    )
    op.create_index("access_keys_account", "access_keys", ["account"])
    op.create_table(
        "certificates",
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("account", sa.String(64), sa.ForeignKey("accounts.name"), nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
    )
    op.create_index("certificates_account", "certificates", ["account"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("certificates")
    op.drop_table("access_keys")
    op.drop_table("accounts")
