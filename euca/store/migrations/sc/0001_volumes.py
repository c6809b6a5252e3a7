"""Volumes."""

import sqlalchemy as sa
from alembic import op

revision = "sc_0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "sc_volumes",
        sa.Column("identifier", sa.String(32), primary_key=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("sc_volumes")
