"""The stored ledger of the first version, put into a database of either kind. Here: loading. Not here: facts."""

import sqlite3
from pathlib import Path

import alembic.command
import sqlalchemy as sa
from alembic.config import Config

import banana_pipeline.store

DUMP = Path(__file__).with_name("ledger_v1.sql")
_MIGRATIONS = Path(banana_pipeline.store.__file__).parent / "migrations"


def load_old_ledger(url: str) -> None:
    """SQLite gets the file's own tables. Postgres gets those of the first migration, which is never changed."""
    if url.startswith("sqlite"):
        path = Path(sa.make_url(url).database or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(path) as database:
            database.executescript(DUMP.read_text(encoding="utf-8"))
        database.close()
        return
    migrate(url, "0001")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        connection.exec_driver_sql("DELETE FROM alembic_version")
        for insert in _inserts():
            connection.exec_driver_sql(insert)
        connection.exec_driver_sql(
            "SELECT setval(pg_get_serial_sequence('transitions', 'id'), (SELECT max(id) FROM transitions))"
        )
    engine.dispose()


def migrate(url: str, revision: str) -> None:
    """Bring an empty database to a schema of the past."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, revision)
    engine.dispose()


def _inserts() -> list[str]:
    """The statements after the schema: only these are the same for both databases."""
    statements = DUMP.read_text(encoding="utf-8").split(";\n")
    return ["INSERT INTO" + one.split("INSERT INTO", 1)[1] for one in statements if "INSERT INTO" in one]
