"""A ledger in a file: full, locked, read-only or vanished. What cannot go on says so in one sentence, and nothing is
answered that is not kept. Here: SQLite. Not here: Postgres (test_ledger_faults).
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from banana_pipeline.core.failures import LedgerError
from banana_pipeline.store import ledger, ledger_claims, ledger_open
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_claims import Claim
from banana_pipeline_tests.core.histories import new_attempt
from banana_pipeline_tests.store.test_ledger_faults import PRICE, assert_sound, spent


def test_a_full_disk_is_one_sentence_and_leaves_the_ledger_sound(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    code = _CLAIM_UNTIL_REFUSED.replace("LIMIT", "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))")
    said = _python(code, url)
    assert said.startswith("The ledger ")
    assert "disk I/O error" in said or "full" in said
    made = int(said.split()[-1])
    with LedgerWriter(url) as writer:
        assert spent(writer) == made * PRICE > 0
    assert_sound(url)


def test_a_ledger_with_no_pages_left_is_one_sentence_and_goes_on_when_there_are_more(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    with LedgerWriter(url) as writer:
        pages = writer.call(lambda connection: connection.execute(sa.text("PRAGMA page_count")).scalar_one())
        writer.call(_sql, f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(LedgerError, match=r"full\); check that it is there, writable and not full\.$"):
            _claim_without_end(writer)
        made = spent(writer) / PRICE
        writer.call(_sql, "PRAGMA max_page_count = 1000000")
        assert writer.call(ledger_claims.claim, new_attempt(request_id="room again")) is Claim.MADE
        assert spent(writer) == (made + 1) * PRICE
    assert_sound(url)


def test_a_ledger_locked_by_another_program_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_open, "_LOCK_WAIT_S", 0.2)
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    with LedgerWriter(url) as writer, sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match=r"\(database is locked\); check"):
            writer.call(ledger_claims.claim, new_attempt())
        other.execute("ROLLBACK")
        assert writer.call(ledger_claims.claim, new_attempt()) is Claim.MADE
    other.close()


def test_a_lock_that_stays_is_waited_for_once_and_not_for_each_operation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_open, "_LOCK_WAIT_S", 0.2)
    with LedgerWriter(f"sqlite:///{tmp_path}/ledger.sqlite") as writer:
        with sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            asked = [
                writer.submit(ledger_claims.claim, new_attempt(request_id=f"{number:032d}")) for number in range(200)
            ]
            errors = [future.exception(30) for future in asked]
        other.close()
    assert len({id(error) for error in errors}) < 10


@pytest.mark.parametrize("disaster", ["deleted", "moved", "replaced"])
def test_a_ledger_whose_file_is_gone_answers_nothing_more(tmp_path: Path, disaster: str) -> None:
    path = tmp_path / "ledger.sqlite"
    with LedgerWriter(f"sqlite:///{path}") as writer:
        assert writer.call(ledger_claims.claim, new_attempt(request_id="before")) is Claim.MADE
        shutil.copy(path, tmp_path / "copy")
        path.unlink() if disaster == "deleted" else path.rename(tmp_path / "elsewhere")
        if disaster == "replaced":
            (tmp_path / "copy").rename(path)
        with pytest.raises(LedgerError, match=r"^The ledger .* was moved, deleted or replaced .*; put it back .*\.$"):
            writer.call(ledger_claims.claim, new_attempt(request_id="after"))


def test_a_ledger_that_was_moved_and_put_back_holds_all_it_ever_answered(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "ledger.sqlite", tmp_path / "elsewhere"
    with LedgerWriter(f"sqlite:///{path}") as writer:
        writer.call(ledger_claims.claim, new_attempt(request_id="before"))
        path.rename(elsewhere)
        with pytest.raises(LedgerError):
            writer.call(ledger_claims.claim, new_attempt(request_id="after"))
    elsewhere.rename(path)
    with LedgerWriter(f"sqlite:///{path}") as writer:
        assert "before" in writer.call(ledger.attempts_of, "api.kie.ai", ["before"])
    assert_sound(f"sqlite:///{path}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
def test_a_ledger_that_somebody_may_not_write_is_one_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    LedgerWriter(url).close()
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(0o755)
    (tmp_path / "ledger.sqlite").chmod(0o444)
    said = _python(_CLAIM_UNTIL_REFUSED.replace("LIMIT", "os.setgid(65534); os.setuid(65534)"), url)
    assert said.startswith("The ledger ")
    assert "readonly" in said or "unable to open" in said or "Permission" in said


_CLAIM_UNTIL_REFUSED = """
import os, resource, signal, sys
from banana_pipeline.core.failures import LedgerError
from banana_pipeline.store import ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline_tests.core.histories import new_attempt
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
made = 0
LIMIT
try:
    with LedgerWriter(sys.argv[1]) as writer:
        while True:
            writer.call(ledger_claims.claim, new_attempt(request_id=f"{made:032d}", input_json="x" * 500))
            made += 1
except LedgerError as error:
    print(error, made)
"""


def _python(code: str, url: str) -> str:
    """What a process of its own says."""
    process = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def _sql(connection: sa.Connection, statement: str) -> None:
    connection.execute(sa.text(statement))


def _claim_without_end(writer: LedgerWriter) -> None:
    for number in count():
        writer.call(ledger_claims.claim, new_attempt(request_id=f"{number:032d}", input_json="x" * 500))
