"""The sensor for paid orders that nobody collects: what it starts a run for, and that such a run buys nothing."""

import json
import sqlite3
from datetime import UTC, datetime

import dagster as dg
import pytest

from banana_pipeline.defs.sensor_unfinished import unfinished_generations_sensor
from banana_pipeline.store.ledger_callbacks import keep_callback
from banana_pipeline_tests.defs.watch import Watch, range_of
from banana_pipeline_tests.defs.world import World

LEFT = {"buy_generations": {"wait_for_results": False}}


class Collecting(Watch):
    """Also does what the sensor asks for, and lets time pass."""

    def obey(self) -> list[dg.ExecuteInProcessResult]:
        """Run what one look asks for."""
        return [
            self.world.run(
                *range_of(request),
                ops={name: op["config"] for name, op in request.run_config["ops"].items()},
                assets=[key.to_user_string() for key in request.asset_selection or []],
            )
            for request in self.requests()
        ]

    def age(self) -> None:
        """As if a day had passed in the ledger."""
        self.sql("UPDATE attempts SET updated_at = datetime(updated_at, '-1 day')")

    def wait_for_patience(self) -> None:
        """As if a day had passed in the sensor's memory."""
        memory = json.loads(self.cursor or "{}")
        self.cursor = json.dumps({key: [reason, tries, 0.0] for key, (reason, tries, _) in memory.items()})

    def sql(self, statement: str) -> None:
        with sqlite3.connect(self.world.folder / "ledger.sqlite") as connection:
            connection.execute(statement)
        connection.close()


@pytest.fixture
def watch(world: World) -> Collecting:
    return Collecting(sensor=unfinished_generations_sensor, world=world)


@pytest.fixture
def left(watch: Collecting) -> Collecting:
    """Three shards that were bought and not waited for, a day ago."""
    watch.world.add_table("boats", [f"boat {number}" for number in range(8)])
    watch.world.run(ops=LEFT)
    watch.age()
    return watch


def _statuses(world: World) -> list[str]:
    return world.warehouse.dataset("generations").to_table(columns=["status"])["status"].to_pylist()


def test_it_is_off_until_a_person_turns_it_on() -> None:
    assert unfinished_generations_sensor.default_status is dg.DefaultSensorStatus.STOPPED


def test_it_says_that_turning_it_on_spends_nothing() -> None:
    assert "spends nothing" in (unfinished_generations_sensor.description or "")


def test_without_a_ledger_there_is_nothing_to_collect(watch: Collecting) -> None:
    (watch.world.folder / "ledger.sqlite").unlink()
    assert watch.requests() == []
    assert not (watch.world.folder / "ledger.sqlite").exists()


def test_orders_that_nobody_waits_for_are_one_run_over_their_range(left: Collecting) -> None:
    assert left.ranges() == [("boats.0000", "boats.0002")]


def test_the_run_it_asks_for_collects_everything(left: Collecting) -> None:
    (result,) = left.obey()
    assert result.success
    assert _statuses(left.world) == ["succeeded"] * 8
    assert left.world.warehouse.dataset("images").count_rows() == 8


def test_the_run_it_asks_for_buys_nothing_new(left: Collecting) -> None:
    left.world.add_table("boats", [f"boat {number}" for number in range(8)] + ["never bought"])
    left.world.run(assets=["prompts", "rejected_prompts"])
    left.obey()
    assert sorted(_statuses(left.world)) == ["not_submitted"] + ["succeeded"] * 8
    assert len(left.world.bought) == 8


def test_a_row_that_is_not_bought_says_why(left: Collecting) -> None:
    left.world.add_table("boats", [f"boat {number}" for number in range(8)] + ["never bought"])
    left.world.run(assets=["prompts", "rejected_prompts"])
    left.obey()
    reasons = left.world.warehouse.dataset("generations").to_table(columns=["status_reason"])["status_reason"]
    assert "this run collects only; nothing new was bought" in reasons.to_pylist()


def test_a_collected_task_that_failed_is_not_bought_again(watch: Collecting) -> None:
    watch.world.add_table("boats", ["boat [fail:internal:1]"])
    watch.world.run(ops=LEFT)
    watch.age()
    watch.obey()
    assert _statuses(watch.world) == ["failed"]
    assert len(watch.world.bought) == 1


def test_rows_that_wait_for_another_table_s_order_are_completed(watch: Collecting) -> None:
    watch.world.add_table("boats", ["boat 1", "boat 2"])
    watch.world.add_table("ships", ["boat 2", "boat 1"])
    watch.world.run(ops=LEFT)
    watch.world.run("boats.0000", "boats.0000", ops={"buy_generations": {"collect_only": True}})
    assert _statuses(watch.world) == ["succeeded"] * 2 + ["pending"] * 2
    (result,) = watch.obey()
    assert result.success
    assert _statuses(watch.world) == ["succeeded"] * 4
    assert len(watch.world.bought) == 2
    assert watch.requests() == []


def test_orders_of_this_minute_are_left_alone(watch: Collecting) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.world.run(ops=LEFT)
    assert watch.requests() == []


def test_shards_that_a_run_works_on_are_left_alone(left: Collecting) -> None:
    left.started("boats.0000", "boats.0001")
    assert left.ranges() == [("boats.0002", "boats.0002")]


def test_a_run_whose_process_was_killed_is_not_waited_for(left: Collecting) -> None:
    run = left.started("boats.0000", "boats.0002")
    left.sql(f"UPDATE attempts SET run_id = '{run.run_id}', owner = 12345 WHERE prompt_table = 'boats'")
    assert left.ranges() == [("boats.0000", "boats.0002")]


def test_what_was_just_asked_for_is_not_asked_for_again(left: Collecting) -> None:
    left.look()
    assert left.requests() == []


def test_what_did_not_help_is_tried_again_later_under_another_key(left: Collecting) -> None:
    first = left.run_keys()
    left.wait_for_patience()
    assert len({*first, *left.run_keys()}) == 2


def test_a_look_whose_memory_was_lost_asks_for_the_same_run(left: Collecting) -> None:
    first = left.run_keys()
    left.cursor = None
    assert left.run_keys() == first


@pytest.mark.parametrize("cursor", ["", "{", "[]", '{"boats.0000": 7}', '{"boats.0000": [1]}'])
def test_a_memory_it_cannot_read_is_forgotten(left: Collecting, cursor: str) -> None:
    left.cursor = cursor
    assert len(left.requests()) == 1


def test_overdue_orders_are_collected(left: Collecting) -> None:
    left.sql("UPDATE attempts SET state = 'overdue' WHERE state = 'submitted'")
    assert left.ranges() == [("boats.0000", "boats.0002")]


def test_an_order_without_an_answer_waits_for_a_person(watch: Collecting) -> None:
    watch.world.add_table("boats", ["boat [fault:lost_answer]"])
    watch.world.run()
    watch.age()
    assert watch.requests() == []


def test_an_order_without_an_answer_is_collected_once_its_callback_has_come(watch: Collecting) -> None:
    watch.world.add_table("boats", ["boat [fault:lost_answer]"])
    watch.world.run()
    watch.age()
    attempt_id = watch.world.warehouse.dataset("generations").to_table()["attempt_id"].to_pylist()[0]
    with watch.world.ledger.open() as writer:
        task_id = watch.world.bought[0]["task_id"]
        writer.call(keep_callback, attempt_id=attempt_id, task_id=task_id, at=datetime.now(UTC))
    assert watch.ranges() == [("boats.0000", "boats.0000")]


def test_orders_of_another_account_are_left_alone(left: Collecting) -> None:
    left.world.key = "another-key"
    assert left.requests() == []


def test_orders_of_a_table_that_is_gone_are_collected(left: Collecting) -> None:
    (left.world.prompts / "boats.parquet").unlink()
    left.obey()
    assert _statuses(left.world) == ["succeeded"] * 8


def test_orders_whose_prompts_are_written_nowhere_are_left_alone(left: Collecting) -> None:
    for file in (left.world.folder / "warehouse" / "prompts").rglob("*.parquet"):
        file.unlink()
    assert left.requests() == []


def test_orders_whose_own_process_is_still_there_are_left_to_it(left: Collecting) -> None:
    with left.world.ledger.open() as writer:
        left.sql(f"UPDATE attempts SET owner = {writer.presence.owner} WHERE prompt_table = 'boats'")
        assert left.requests() == []
    assert left.ranges() == [("boats.0000", "boats.0002")]
