"""Opening a ledger: new, old, newer, broken; one sentence for each way it can fail."""

import os
import sqlite3
from contextlib import nullcontext
from pathlib import Path

import pytest
import sqlalchemy as sa

from banana_pipeline.core.failures import LedgerError
from banana_pipeline.store.ledger_open import open_engine
from banana_pipeline.store.ledger_place import ledger_place
from banana_pipeline.store.ledger_schema import metadata
from banana_pipeline_tests.databases import database_or_skip
from banana_pipeline_tests.store.at_once import open_at_once

TABLES = sorted(table.name for table in metadata.sorted_tables)


def _schema(engine: sa.Engine) -> dict[str, object]:
    """All that a database tells about its tables, as comparable text."""
    look = sa.inspect(engine)
    names = [name for name in look.get_table_names() if name != "alembic_version"]
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in look.get_columns(name)],
            look.get_pk_constraint(name)["constrained_columns"],
            sorted(
                (
                    str(index["name"]),
                    tuple(str(column) for column in index["column_names"]),
                    bool(index["unique"]),
                    sorted((key, str(value)) for key, value in index.get("dialect_options", {}).items()),
                )
                for index in look.get_indexes(name)
            ),
        )
        for name in sorted(names)
    }


def test_the_migrations_lead_to_the_schema_of_the_code(new_url: str) -> None:
    migrated = open_engine(new_url)
    with nullcontext("sqlite://") if new_url.startswith("sqlite") else database_or_skip() as plain_url:
        plain = sa.create_engine(plain_url)
        metadata.create_all(plain)
        assert sorted(_schema(migrated)) == TABLES
        assert _schema(migrated) == _schema(plain)
        migrated.dispose()
        plain.dispose()


def test_opening_again_changes_nothing(new_url: str) -> None:
    for _ in range(2):
        engine = open_engine(new_url)
        before = _schema(engine)
        engine.dispose()
    engine = open_engine(new_url)
    assert _schema(engine) == before
    engine.dispose()


def test_a_newer_ledger_is_refused_in_words_and_left_as_it_is(new_url: str) -> None:
    engine = open_engine(new_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(LedgerError, match=r"schema 9999, which a newer banana_pipeline wrote; upgrade"):
        open_engine(new_url)
    plain = sa.create_engine(new_url)
    with plain.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
    plain.dispose()


def _one_sentence(url: str) -> str:
    with pytest.raises(LedgerError) as error:
        open_engine(url)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"these are my holiday notes " * 100)
    assert "ledger.sqlite cannot be used" in _one_sentence(f"sqlite:///{tmp_path}/ledger.sqlite")
    assert (tmp_path / "ledger.sqlite").read_bytes().startswith(b"these are my")


def test_a_folder_in_place_of_the_file_is_one_sentence(tmp_path: Path) -> None:
    assert f"is a folder; write sqlite:///{tmp_path}/ledger.sqlite" in _one_sentence(f"sqlite:///{tmp_path}")


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be used" in _one_sentence(f"sqlite:///{tmp_path}/file/ledger.sqlite")
    assert "cannot be used" in _one_sentence("sqlite:////proc/nowhere/ledger.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_ledger_that_may_only_be_read_is_one_sentence(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "l.sqlite") as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()
    (tmp_path / "l.sqlite").chmod(0o400)
    assert "readonly" in _one_sentence(f"sqlite:///{tmp_path}/l.sqlite")


@pytest.mark.parametrize("url", [
    "postgresql+psycopg://me:s3cret@127.0.0.1:9/ledger",
    "postgresql+psycopg://127.0.0.1:9/ledger?user=me&password=s3cret",
])  # fmt: skip
def test_a_database_that_is_not_there_is_one_sentence_without_the_password(url: str) -> None:
    assert "s3cret" not in _one_sentence(url)


@pytest.mark.parametrize("url", [
    "", "ledger.sqlite", "mysql://me:s3cret@h/d", "postgresql+nothing://h/d", "postgresql+psycopg://me@h:s3cret/d",
])  # fmt: skip
def test_a_url_that_is_none_is_told_with_an_example_and_without_the_password(url: str) -> None:
    text = _one_sentence(url)
    assert "s3cret" not in text
    assert "sqlite:///path" in text


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:////x?mode=memory", "sqlite:///file::memory:"]
)
def test_a_ledger_in_memory_is_refused(url: str) -> None:
    assert "forgets what was bought" in _one_sentence(url)


@pytest.mark.parametrize(
    "url", ["sqlite:///{}/l.sqlite", "sqlite://{}/l.sqlite", "sqlite:///data/../{}/l.sqlite", "sqlite:///l.sqlite"]
)
def test_a_ledger_that_depends_on_the_working_folder_is_refused_with_an_absolute_url(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = _one_sentence(url.format("var/banana"))
    assert "write sqlite:////" in text
    assert list(tmp_path.iterdir()) == []


def test_the_relative_ledger_that_is_there_is_named_with_its_absolute_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_engine(f"sqlite:///{tmp_path}/l.sqlite").dispose()
    assert _one_sentence("sqlite:///l.sqlite").endswith(f"write sqlite:///{tmp_path}/l.sqlite")


@pytest.mark.parametrize(
    "url", ["{}/l.sqlite", "sqlite:{}/l.sqlite", "file://{}/l.sqlite", "sqlite:///file:{}/l.sqlite"]
)
def test_a_path_in_place_of_a_url_is_told_with_the_url(url: str, tmp_path: Path) -> None:
    assert f"write sqlite:///{tmp_path}/l.sqlite" in _one_sentence(url.format(tmp_path))


def test_links_and_double_slashes_lead_to_one_ledger(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    spellings = [f"{tmp_path}/real/l", f"{tmp_path}//link/l", f"{tmp_path}/link/../real/l"]
    assert len({ledger_place(f"sqlite:///{path}") for path in spellings}) == 1


@pytest.mark.parametrize("url", ["postgres://h/d", "postgresql://h/d", "POSTGRESQL+psycopg://h/d"])
def test_postgres_gets_its_driver(url: str) -> None:
    assert str(ledger_place(url)) == "postgresql+psycopg://h/d"


def test_sqlite_waits_for_the_disk_at_each_commit(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/l.sqlite")
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar_one() == 2
    engine.dispose()


def test_three_processes_that_open_a_new_ledger_at_once_all_succeed(new_url: str) -> None:
    assert open_at_once(new_url, 3) == ["opened\n"] * 3
