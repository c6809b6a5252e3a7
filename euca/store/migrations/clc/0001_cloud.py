"""Registrations, images, key pairs, reservations and instances."""

import sqlalchemy as sa
from alembic import op

revision = "clc_0001"
down_revision = None


def _text(name: str, length: int = 64, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=null)


def _registrations() -> None:
    op.create_table(
        "clusters",
        sa.Column("name", sa.String(64), primary_key=True),
        _text("host", 255),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("asked_at", sa.Float, nullable=True),
        sa.Column("answered_at", sa.Float, nullable=True),
        sa.Column("error", sa.Text, nullable=True),
    )
    op.create_table(
        "capacities",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("vm_type", sa.String(64), primary_key=True),
        sa.Column("maximum", sa.Integer, nullable=False),
        sa.Column("available", sa.Integer, nullable=False),
    )
    for table in ("walruses", "storage_controllers"):
        op.create_table(
            table,
            sa.Column("name", sa.String(64), primary_key=True),
            _text("host", 255),
            sa.Column("port", sa.Integer, nullable=False),
        )


def _images_and_keys() -> None:
    op.create_table(
        "images",
        sa.Column("identifier", sa.String(64), primary_key=True),
        _text("location", 1024),
        _text("kind"),
        _text("owner"),
        _text("architecture"),
        _text("platform"),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        _text("kernel_id", null=True),
        _text("ramdisk_id", null=True),
        sa.Column("signature", sa.Text, nullable=False),
        _text("name", 255, null=True),
        _text("description", 1024, null=True),
        sa.Column("registered", sa.Float, nullable=False),
    )
    op.create_index("images_owner", "images", ["owner"])
    op.create_table(
        "key_pairs",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("public_line", sa.Text, nullable=False),
        _text("fingerprint", 128),
    )


def _instances() -> None:
    op.create_table(
        "reservations",
        sa.Column("identifier", sa.String(64), primary_key=True),
        _text("owner"),
        sa.Column("groups", sa.Text, nullable=False),
        _text("client_token", 255, null=True),
        sa.UniqueConstraint("owner", "client_token"),
    )
    op.create_table(
        "instances",
        sa.Column("identifier", sa.String(64), primary_key=True),
        sa.Column(
            "reservation", sa.String(64), sa.ForeignKey("reservations.identifier"), nullable=False
        ),
        _text("owner"),
        sa.Column("launch_index", sa.Integer, nullable=False),
        _text("cluster"),
        *(_text(name) for name in ("vm_type", "image_id", "platform")),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("cores", "memory", "disk")),
        _text("image_url", 2048),
        *(_text(name, null=True) for name in ("kernel_id", "ramdisk_id")),
        *(_text(name, 2048, null=True) for name in ("kernel_url", "ramdisk_url")),
        sa.Column("launched", sa.Float, nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        _text("key_name", 255),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("key_text", "user_data")),
        *(_text(name) for name in ("correlation", "private_ip", "public_ip", "state", "start")),
        *(_text(name) for name in ("reason_word", "reason_code")),
        *(sa.Column(n, sa.Text, nullable=False) for n in ("reason_message", "reason_detail")),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("told", "alive")),
        sa.Column("missing_since", sa.Float, nullable=True),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("called_at", "rests_until")),
        sa.Column("console", sa.LargeBinary, nullable=True),
    )
    op.create_index("instances_owner", "instances", ["owner", "state"])
    op.create_index("instances_cluster", "instances", ["cluster", "state"])
    op.create_index("instances_reservation", "instances", ["reservation"])


def upgrade() -> None:
    """Make the tables."""
    _registrations()
    _images_and_keys()
    _instances()


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "instances",
        "reservations",
        "key_pairs",
        "images",
        "storage_controllers",
        "walruses",
        "capacities",
        "clusters",
    ):
        op.drop_table(table)
