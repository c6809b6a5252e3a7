"""Nodes, instances, and where the round goes on."""

import sqlalchemy as sa
from alembic import op

revision = "cc_0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cc_nodes",
        sa.Column("tag", sa.String(128), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("health", sa.String(8), nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        *(
            sa.Column(f"{amount}_{which}", sa.Integer, nullable=False)
            for amount in ("memory", "disk", "cores")
            for which in ("maximum", "available")
        ),
    )
    op.create_table(
        "cc_round",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
    )
    op.create_table(
        "cc_instances",
        sa.Column("identifier", sa.String(64), primary_key=True),
        sa.Column("node", sa.String(128), nullable=False, index=True),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("tried_at", sa.Float, nullable=False),
        sa.Column("placed_at", sa.Float, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sa.Column("correlation", sa.Text, nullable=False),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("ending", sa.Text),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("cc_instances", "cc_round", "cc_nodes"):
        op.drop_table(table)
