"""The first ledger: attempts and their transitions, uploads, regenerations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_LIVE = sa.text("state IN ('overdue', 'submitted', 'submitting', 'succeeded', 'unconfirmed')")


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("attempt_id", sa.String(32), primary_key=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("request_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("status_reason", sa.Text),
        sa.Column("price_credits", sa.Float, nullable=False),
        sa.Column("credits", sa.Float),
        sa.Column("resolution", sa.String(8), nullable=False),
        sa.Column("prompt_table", sa.Text, nullable=False),
        sa.Column("row_number", sa.BigInteger, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("table_version", sa.Text, nullable=False),
        sa.Column("input_json", sa.Text, nullable=False),
        sa.Column("task_id", sa.String(128)),
        sa.Column("fail_code", sa.Text),
        sa.Column("fail_msg", sa.Text),
        sa.Column("result_urls", sa.Text, nullable=False),
        sa.Column("claimed_at", _MOMENT, nullable=False),
        sa.Column("claim_expires_at", _MOMENT, nullable=False),
        sa.Column("submitted_at", _MOMENT),
        sa.Column("completed_at", _MOMENT),
        sa.Column("generation_s", sa.Float),
        sa.Column("updated_at", _MOMENT, nullable=False),
    )
    op.create_index(
        "one_live_attempt_per_request",
        "attempts",
        ["service", "request_id"],
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    )
    op.create_index("attempts_of_request", "attempts", ["service", "request_id"])
    op.create_index("attempts_in_state", "attempts", ["service", "account", "state"])
    op.create_index("attempts_of_table", "attempts", ["prompt_table", "row_number"])
    op.create_index("task_ids", "attempts", ["service", "task_id"], unique=True)
    op.create_table(
        "transitions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("attempt_id", sa.String(32), nullable=False, index=True),
        sa.Column("from_state", sa.String(16)),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "uploads",
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("account", sa.String(12), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("uploaded_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "regenerations",
        sa.Column("shard", sa.Text, primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("A ledger is never downgraded: it would forget what was paid.")
