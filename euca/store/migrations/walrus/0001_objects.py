"""Buckets and objects."""

import sqlalchemy as sa
from alembic import op

revision = "walrus_0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "walrus_buckets",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("acl", sa.String(40), nullable=False),
        sa.Column("location", sa.String(255), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_index("walrus_buckets_owner", "walrus_buckets", ["owner"])
    op.create_table(
        "walrus_objects",
        sa.Column("bucket", sa.String(255), sa.ForeignKey("walrus_buckets.name"), primary_key=True),
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("file", sa.String(64), nullable=False, unique=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("acl", sa.String(40), nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("modified", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("walrus_objects")
    op.drop_table("walrus_buckets")
