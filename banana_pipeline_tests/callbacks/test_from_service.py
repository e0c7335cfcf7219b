"""Callbacks as the service sends them: in time, late, twice, and forged."""

import time
from collections.abc import Callable

import httpx

from banana_pipeline.emulator import EmulatorConfig, Faults, RunningEmulator
from banana_pipeline.kie.callback_address import callback_address
from banana_pipeline_tests.callbacks.conftest import NewReceiver
from banana_pipeline_tests.callbacks.receiving import HMAC_KEY, Receiving

ORDERS = 20
QUICK = {"rate_limit": None, "latency_s": (0.05, 0.2), "is_drawing": False, "callback_retries_s": ()}


def buy(emulator: RunningEmulator, receiver: Receiving) -> dict[str, str]:
    """Order pictures with our callback address; task ids by attempt."""
    found = {}
    for number in range(ORDERS):
        attempt_id = receiver.order()
        body = {
            "model": "nano-banana-pro",
            "callBackUrl": callback_address(f"{receiver.url}/kie?team=boats", attempt_id),
            "input": {"prompt": f"boat {number}"},
        }
        headers = {"authorization": "Bearer any"}
        url = f"{emulator.base_url}/api/v1/jobs/createTask"
        answer = httpx.post(url, json=body, headers=headers, trust_env=False)
        found[attempt_id] = answer.json()["data"]["taskId"]
    return found


def wait_for(is_time: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 30
    while not is_time():
        assert time.monotonic() < until_s, "it never happened"
        time.sleep(0.02)


def heard(receiver: Receiving, tasks: dict[str, str]) -> dict[str, list[str]]:
    return {attempt_id: receiver.tasks_heard_of(attempt_id) for attempt_id in tasks}


def test_every_callback_is_kept_once_whatever_else_comes(new_receiver: NewReceiver) -> None:
    receiver = new_receiver(hmac_key=HMAC_KEY)
    faults = Faults(
        callback_duplicate_share=1.0, callback_forged_share=1.0, callback_late_share=0.5, callback_late_s=0.5
    )
    with RunningEmulator(EmulatorConfig(webhook_hmac_key=HMAC_KEY, faults=faults, **QUICK)) as emulator:
        tasks = buy(emulator, receiver)
        wait_for(lambda: sum(emulator.books.counters[f"callbacks_{end}"] for end in ("delivered", "failed")) >= 60)
        assert emulator.books.counters["callbacks_failed"] == ORDERS
    assert heard(receiver, tasks) == {attempt_id: [task_id] for attempt_id, task_id in tasks.items()}
    assert receiver.health()["refused"] == {"no good signature": ORDERS}


def test_without_a_key_forged_callbacks_are_kept_beside_true_ones_for_others_to_judge(
    new_receiver: NewReceiver,
) -> None:
    receiver = new_receiver()
    with RunningEmulator(EmulatorConfig(faults=Faults(callback_forged_share=1.0), **QUICK)) as emulator:
        tasks = buy(emulator, receiver)
        wait_for(lambda: emulator.books.counters["callbacks_delivered"] >= 2 * ORDERS)
    for attempt_id, found in heard(receiver, tasks).items():
        assert len(found) == 2
        assert tasks[attempt_id] in found
