"""The third ledger: which runs share one budget."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "launches",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("launch", sa.Text, nullable=False),
    )
    op.create_index("runs_of_launch", "launches", ["launch"])


def downgrade() -> None:
    raise NotImplementedError("A ledger is never downgraded: it would forget what was paid.")
