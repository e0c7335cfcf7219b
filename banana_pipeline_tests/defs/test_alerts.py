"""Posting alerts: what the webhook gets, and that its address shows nowhere."""

import logging
import traceback
from collections.abc import Iterator

import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from banana_pipeline.alerts import AlertNotSent, send_alert
from banana_pipeline.core.failures import SettingsError
from banana_pipeline.definitions import build_defs
from banana_pipeline.defs.resources import AlertsResource
from banana_pipeline.settings import read_settings
from banana_pipeline_tests.defs.webhook import SECRET_PATH, Webhook, running_webhook


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with running_webhook() as running:
        yield running


def test_an_alert_is_posted_as_slack_takes_it(hook: Webhook) -> None:
    send_alert(hook.url, "boats are low")
    assert hook.posted == [{"text": "boats are low"}]


def test_an_alert_is_sent_again_where_the_webhook_has_a_bad_moment(hook: Webhook) -> None:
    hook.statuses = [500, 503]
    send_alert(hook.url, "boats are low")
    assert hook.texts == ["boats are low"]


def test_an_alert_that_cannot_be_sent_says_so_without_the_address(hook: Webhook) -> None:
    hook.statuses = [404, 404, 404]
    with pytest.raises(AlertNotSent, match=r"HTTP 404.*BANANA_ALERT_WEBHOOK_URL") as caught:
        send_alert(hook.url, "boats are low")
    assert SECRET_PATH not in str(caught.value)


def test_a_webhook_that_is_not_there_is_told_without_the_address(hook: Webhook) -> None:
    with pytest.raises(AlertNotSent, match="ConnectError") as caught:
        send_alert(f"http://127.0.0.1:1{SECRET_PATH}", "boats are low")
    assert SECRET_PATH not in str(caught.value)


def test_an_alert_goes_through_the_proxy_of_the_environment(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", hook.url.removesuffix(SECRET_PATH))
    send_alert("http://hooks.example/services", "boats are low")
    assert hook.texts == ["boats are low"]


def test_a_proxy_that_cannot_be_used_is_told_with_the_alert(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "nonsense://")
    with pytest.raises(AlertNotSent, match=r"https_proxy is not the address of a proxy.* It said: boats are low"):
        send_alert(hook.url, "boats are low")


def test_the_address_is_not_logged(hook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        send_alert(hook.url, "boats are low")
    assert SECRET_PATH not in caplog.text


def test_what_dagster_knows_of_the_code_does_not_hold_the_address(
    hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANANA_ALERT_WEBHOOK_URL", hook.url)
    assert SECRET_PATH not in serialize_value(RepositorySnap.from_def(build_defs().get_repository_def()))


def test_a_resource_does_not_show_the_address(hook: Webhook) -> None:
    alerts = AlertsResource(webhook_url=hook.url)
    assert SECRET_PATH not in f"{alerts!r} {alerts}"


# Settings


def test_the_address_does_not_show_in_the_settings(hook: Webhook) -> None:
    settings = read_settings({"BANANA_ALERT_WEBHOOK_URL": hook.url, "BANANA_ALERT_BELOW_CREDITS": "500"})
    assert (settings.alert_webhook_url, settings.alert_below_credits) == (hook.url, 500.0)
    assert SECRET_PATH not in repr(settings)


@pytest.mark.parametrize("start", ["hooks.example", "ftp://hooks.example", "https://hooks .example", "https://"])
def test_an_address_that_cannot_be_used_is_told_in_a_sentence_without_it(start: str) -> None:
    with pytest.raises(SettingsError, match="BANANA_ALERT_WEBHOOK_URL is not an address") as caught:
        read_settings({"BANANA_ALERT_WEBHOOK_URL": f"{start}{SECRET_PATH}"})
    assert SECRET_PATH not in "".join(traceback.format_exception(caught.value))


def test_a_limit_that_is_no_number_is_told_in_a_sentence() -> None:
    with pytest.raises(SettingsError, match=r"BANANA_ALERT_BELOW_CREDITS is 'few'; .* leave it out for no alert"):
        read_settings({"BANANA_ALERT_BELOW_CREDITS": "few"})
