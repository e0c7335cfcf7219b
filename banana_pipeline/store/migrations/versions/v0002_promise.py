"""The second ledger: who sends an order, callbacks, money counted at the claim, and balances seen."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_DAY = {"sqlite": "substr(claimed_at, 1, 10)", "postgresql": "to_char(claimed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"}


def upgrade() -> None:
    op.add_column("attempts", sa.Column("owner", sa.BigInteger))
    op.create_table(
        "callbacks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("attempt_id", sa.String(32), nullable=False),
        sa.Column("task_id", sa.String(128), nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("verdict", sa.Text),
    )
    op.create_index("callbacks_of_attempt", "callbacks", ["attempt_id", "task_id"], unique=True)
    op.create_table(
        "spending",
        sa.Column("scope", sa.String(8), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("account", sa.String(12), primary_key=True),
        sa.Column("credits", sa.Float, nullable=False),
    )
    op.create_table(
        "balances",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("credits", sa.Float, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
    )
    op.create_index("balances_of_account", "balances", ["service", "account", "at"])
    _count_what_was_spent()


def _count_what_was_spent() -> None:
    day = _DAY[op.get_bind().dialect.name]
    for scope, name in (("run", "run_id"), ("day", day)):
        op.execute(
            "INSERT INTO spending (scope, name, service, account, credits) "
            f"SELECT '{scope}', {name}, service, account, SUM(COALESCE(credits, price_credits)) "
            f"FROM attempts GROUP BY {name}, service, account"
        )


def downgrade() -> None:
    raise NotImplementedError("A ledger is never downgraded: it would forget what was paid.")
