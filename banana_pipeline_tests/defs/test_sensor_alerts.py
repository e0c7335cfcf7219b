"""The sensors behind alerts: what is told, once per cause, and in which words."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster import EventLogEntry

from banana_pipeline.core.requests import account_name
from banana_pipeline.defs.resources import AlertsResource, FilesResource
from banana_pipeline.defs.sensor_alerts import alerts_sensor, run_failure_alert
from banana_pipeline_tests.defs.test_sensor_archive import age
from banana_pipeline_tests.defs.watch import Watch
from banana_pipeline_tests.defs.webhook import Webhook, running_webhook
from banana_pipeline_tests.defs.world import World


@dataclass(kw_only=True)
class Listening(Watch):
    """Also hears what is posted."""

    hook: Webhook
    below_credits: float | None = None
    data_dir: str = ""

    def alerts(self) -> AlertsResource:
        return AlertsResource(webhook_url=self.hook.url, below_credits=self.below_credits)

    def resources(self) -> dict[str, Any]:
        own = {**super().resources(), "alerts": self.alerts()}
        return own if not self.data_dir else {**own, "files": FilesResource(data_dir=self.data_dir, prompts_dir="")}

    def told(self) -> list[str]:
        """What one look posted."""
        before = len(self.hook.posted)
        self.look()
        return self.hook.texts[before:]

    def set_balance(self, credits: float) -> None:
        """At the emulator, which knows an account from its first call on."""
        url = self.world.emulator.base_url
        bearer = {"Authorization": f"Bearer {self.world.key}"}
        httpx.get(f"{url}/api/v1/chat/credit", headers=bearer, trust_env=False).raise_for_status()
        body = {"key": self.world.key, "balance_credits": credits}
        httpx.post(f"{url}/admin/accounts", json=body, trust_env=False).raise_for_status()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with running_webhook() as running:
        yield running


@pytest.fixture
def watch(world: World, hook: Webhook) -> Listening:
    return Listening(sensor=alerts_sensor, world=world, hook=hook)


# Causes


def test_it_is_off_until_a_person_turns_it_on() -> None:
    assert alerts_sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert run_failure_alert.default_status is dg.DefaultSensorStatus.STOPPED


def test_where_all_is_well_nobody_is_told(watch: Listening) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.world.run()
    assert watch.told() == []


def test_low_credits_are_told_once(watch: Listening) -> None:
    watch.set_balance(100.0)
    watch.below_credits = 500.0
    (text,) = watch.told()
    assert f"Account {account_name(watch.world.key)} has 100 credits left, less than 500. Top it up" in text
    assert watch.told() == []


def test_credits_that_were_enough_again_and_run_low_again_are_told_again(watch: Listening) -> None:
    watch.below_credits = 500.0
    told = []
    for balance in (100.0, 1_000.0, 100.0):
        watch.set_balance(balance)
        told.append(len(watch.told()))
    assert told == [1, 0, 1]


def test_what_cannot_be_looked_at_is_told_once_beside_the_other_causes(watch: Listening) -> None:
    watch.set_balance(100.0)
    watch.below_credits = 500.0
    watch.data_dir = "nowhere://bucket"
    pictures, credits = sorted(watch.told(), reverse=True)
    assert credits.startswith(f"Account {account_name(watch.world.key)} has 100 credits left")
    assert pictures.startswith("Alerts about pictures do not work: ")
    assert watch.told() == []


def test_without_a_limit_the_balance_is_no_alert(watch: Listening) -> None:
    watch.set_balance(0.0)
    assert watch.told() == []


def test_an_order_without_an_answer_is_told_once(watch: Listening) -> None:
    watch.world.add_table("boats", ["boat [fault:lost_answer]"])
    watch.world.run()
    (text,) = watch.told()
    assert "1 orders of table 'boats' have lost their answer; KIE may have charged 18 credits" in text
    assert "banana resolve boats" in text
    assert watch.told() == []


def test_another_order_without_an_answer_is_told_too(watch: Listening) -> None:
    watch.world.add_table("boats", ["boat [fault:lost_answer]"])
    watch.world.run()
    watch.told()
    watch.world.add_table("boats", ["boat [fault:lost_answer]", "another boat [fault:lost_answer]"])
    watch.world.run()
    assert len(watch.told()) == 1


def test_pictures_about_to_vanish_are_told_once(watch: Listening) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.world.run(assets=["prompts", "rejected_prompts", "generations"])
    age(watch.world, "boats.0000", hours=21)
    (text,) = watch.told()
    assert "Pictures of table 'boats' (first in shard boats.0000) were made over 20 hours ago" in text
    assert watch.told() == []


def test_pictures_of_today_are_no_alert(watch: Listening) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.world.run(assets=["prompts", "rejected_prompts", "generations"])
    age(watch.world, "boats.0000", hours=19)
    assert watch.told() == []


def test_a_ledger_that_does_not_work_is_told_once(watch: Listening) -> None:
    (watch.world.folder / "ledger.sqlite").write_bytes(b"no database, whatever its name says" * 100)
    (text,) = watch.told()
    assert "The ledger does not work, so nothing is bought or collected" in text
    assert watch.told() == []


def test_an_alert_the_webhook_did_not_take_is_posted_by_the_next_look(watch: Listening) -> None:
    watch.set_balance(1.0)
    watch.below_credits = 500.0
    watch.hook.statuses = [500, 500, 500]
    assert watch.told() == []
    assert len(watch.told()) == 1


def test_a_service_that_does_not_answer_does_not_make_an_old_alert_new(watch: Listening, world: World) -> None:
    watch.set_balance(1.0)
    watch.below_credits = 500.0
    watch.told()
    there = world.emulator
    httpx.post(f"{there.base_url}/admin/accounts", json={"key": world.key, "is_revoked": True}, trust_env=False)
    assert ["KIE does not accept the key" in text for text in watch.told()] == [True]


def test_a_run_that_says_nothing_for_hours_is_told_once(watch: Listening) -> None:
    job = watch.world.definitions().resolve_job_def("generate_images")
    run = watch.world.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert watch.told() == []
    watch.world.instance.handle_new_event(
        EventLogEntry(
            error_info=None,
            level=logging.INFO,
            user_message="the last thing it said",
            run_id=run.run_id,
            timestamp=(datetime.now(UTC) - timedelta(hours=3)).timestamp(),
        )
    )
    (text,) = watch.told()
    assert f"Dagster run {run.run_id[:8]} is shown as under way and has said nothing for two hours" in text
    assert watch.told() == []


# Runs that failed


def _failed_run(world: World) -> dg.ExecuteInProcessResult:
    """A run over a table that nobody can read."""
    path = world.add_table("boats", ["boat"])
    world.register()
    path.write_bytes(b"PAR1 half of it")
    return world.run("boats.0000")


def _tell(watch: Listening, result: dg.ExecuteInProcessResult) -> object:
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failure_alert",
        dagster_instance=watch.world.instance,
        dagster_run=watch.world.instance.get_run_by_id(result.run_id) or result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    ).for_run_failure()
    return run_failure_alert(context, alerts=watch.alerts())


def test_a_run_that_failed_is_told_with_its_reason(watch: Listening) -> None:
    result = _failed_run(watch.world)
    _tell(watch, result)
    (text,) = watch.hook.texts
    assert text.startswith(f"Dagster run {result.run_id[:8]} (generate_images over boats.0000 to boats.0000) failed:")
    assert "is not a complete Parquet file" in text
    assert "nothing is bought twice" in text


def test_a_run_that_is_tried_again_is_no_alert(watch: Listening) -> None:
    result = _failed_run(watch.world)
    watch.world.instance.add_run_tags(result.run_id, {"dagster/will_retry": "true"})
    _tell(watch, result)
    assert watch.hook.posted == []


def test_without_an_address_each_sensor_says_what_is_missing(watch: Listening) -> None:
    result = _failed_run(watch.world)
    watch.hook.url = ""
    assert "BANANA_ALERT_WEBHOOK_URL is not set" in str(_tell(watch, result))
