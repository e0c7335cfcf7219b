"""The judge sees each kind of disaster. Here: made-up books and outputs. Not here: real ones (every other file)."""

from typing import Any

import pytest

from banana_pipeline_tests.faults.judge import Verdict, judge, peak_creates

OPTIONS = {"aspect_ratio": "1:1", "resolution": "1K", "output_format": "png"}


def a_task(number: int, prompt: str | None = None, credits: float = 18.0) -> dict[str, Any]:
    return {
        "task_id": f"task-{number}",
        "input": {"prompt": prompt or f"boat {number}", "image_input": [], **OPTIONS},
        "credits": credits,
    }


def a_row(number: int, **changes: Any) -> dict[str, Any]:
    good = {
        "row_number": number,
        "prompt": f"boat {number}",
        "status": "succeeded",
        "status_reason": None,
        "task_id": f"task-{number}",
        "result_urls": ["http://127.0.0.1/picture.png"],
        "credits": 18.0,
    }
    return {**good, **OPTIONS, **changes}


def in_doubt(number: int) -> dict[str, Any]:
    return a_row(number, status="unconfirmed", status_reason="no answer", task_id=None, result_urls=[], credits=None)


def judged(tasks: list[dict[str, Any]], rows: list[dict[str, Any]], taken_credits: float | None = None) -> Verdict:
    taken = sum(task["credits"] for task in tasks) if taken_credits is None else taken_credits
    return judge(tasks=tasks, rows=rows, taken_credits=taken)


def test_a_good_run_breaks_nothing() -> None:
    assert judged([a_task(0), a_task(1)], [a_row(0), a_row(1)]).broken == []


def test_a_request_bought_twice_is_seen() -> None:
    verdict = judged([a_task(0), a_task(1, prompt="boat 0")], [a_row(0)])
    assert verdict.bought_twice == ["boat 0"]
    assert verdict.broken_money


def test_a_new_task_after_a_refunded_one_is_not_bought_twice() -> None:
    assert judged([a_task(5, prompt="boat 0", credits=0.0), a_task(0)], [a_row(0)]).broken == []


def test_another_size_of_the_same_prompt_is_not_bought_twice() -> None:
    tasks, rows = [a_task(0), a_task(1, prompt="boat 0")], [a_row(0), a_row(1, prompt="boat 0", resolution="4K")]
    tasks[1]["input"]["resolution"] = "4K"
    assert judged(tasks, rows).broken == []


def test_a_task_in_no_row_is_lost() -> None:
    verdict = judged([a_task(0), a_task(1)], [a_row(0)])
    assert verdict.lost == ["task-1"]
    assert verdict.broken_money


def test_a_task_behind_an_unconfirmed_row_is_hidden_and_not_lost() -> None:
    verdict = judged([a_task(0), a_task(1)], [a_row(0), in_doubt(1)])
    assert (verdict.hidden, verdict.lost, verdict.unconfirmed, verdict.broken) == (["task-1"], [], 1, [])


def test_one_unconfirmed_row_excuses_one_task_only() -> None:
    verdict = judged([a_task(0), a_task(1, prompt="boat 0")], [in_doubt(0)])
    assert (verdict.hidden, verdict.lost) == (["task-0"], ["task-1"])


@pytest.mark.parametrize("taken_credits", [0.0, 18.0, 36.5, 54.0])
def test_a_wrong_sum_is_seen(taken_credits: float) -> None:
    verdict = judged([a_task(0), a_task(1)], [a_row(0), a_row(1)], taken_credits)
    assert not verdict.has_equal_sums
    assert verdict.broken_money


def test_a_task_under_way_explains_what_is_held() -> None:
    pending = a_row(1, status="pending", status_reason="being made", result_urls=[], credits=None)
    assert judged([a_task(0), a_task(1)], [a_row(0), pending]).broken == []


@pytest.mark.parametrize("task_id", ["task-1", "nobody's"])
def test_a_row_with_the_task_of_something_else_is_seen(task_id: str) -> None:
    rows = [a_row(0, task_id=task_id), a_row(1)]
    verdict = judged([a_task(0), a_task(1)], rows)
    assert verdict.mistaken == [task_id]
    assert verdict.broken_money


@pytest.mark.parametrize(
    "changes",
    [
        {"status": None},
        {"status": "great"},
        {"result_urls": []},
        {"status": "failed", "status_reason": None},
        {"status": "not_submitted", "status_reason": ""},
    ],
)
def test_a_row_without_an_explanation_is_seen(changes: dict[str, Any]) -> None:
    verdict = judged([a_task(0)], [a_row(0, **changes)])
    assert len(verdict.unexplained) == 1
    assert verdict.broken
    assert verdict.broken_money == []


def test_the_fullest_window_counts_the_moments_inside_and_not_at_its_far_end() -> None:
    assert peak_creates([0.0, 5.0, 9.9, 10.0, 10.1], window_s=10.0) == 4
    assert peak_creates([]) == 0
