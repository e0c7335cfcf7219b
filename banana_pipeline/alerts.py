"""Alerts: a line of text posted to a webhook, as Slack and many others take it.

Lives here: sending one text. Does not live here: what is worth an alert (``defs.sensor_alerts``).

The address is a secret: whoever knows it can write there. It stands in no error and in no log, which is why the request
goes to httpx's transport itself: httpx's client logs every address it asks for.
"""

from __future__ import annotations

import time

import httpx

from banana_pipeline.core.failures import SettingsError, UserError
from banana_pipeline.kie.certificates import ssl_context
from banana_pipeline.kie.proxies import environment_proxies

TIMEOUT_S = 5.0
_TRIES = 3
_PAUSE_S = 0.2
_MOST_CHARACTERS = 3_000  # Slack cuts a message at 4,000


class AlertNotSent(UserError):
    """The webhook did not take the alert."""


def send_alert(webhook_url: str, text: str) -> None:
    """POST ``{"text": text}``, at most three times; each try waits up to 5 s.

    Raises:
        AlertNotSent: it was not taken; the text does not name the address.
    """
    said = ""
    for number in range(_TRIES):
        if number:
            time.sleep(_PAUSE_S * number)
        said = _post(webhook_url, text[:_MOST_CHARACTERS])
        if not said:
            return
    raise AlertNotSent(
        f"The alert could not be sent ({said}); check BANANA_ALERT_WEBHOOK_URL and the network. It said: {text}"
    )


def _post(webhook_url: str, text: str) -> str:
    """What went wrong, in a few words; empty if nothing did. httpx's own words may hold the address."""
    try:
        timeout = {"timeout": httpx.Timeout(TIMEOUT_S).as_dict()}
        request = httpx.Request("POST", webhook_url.strip(), json={"text": text}, extensions=timeout)
        verify = ssl_context()
        with httpx.HTTPTransport(verify=verify, proxy=environment_proxies(verify).for_url(request.url)) as transport:
            response = transport.handle_request(request)
            response.read()
            response.close()
    except SettingsError as error:
        return str(error)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return type(error).__name__
    return "" if response.is_success else f"HTTP {response.status_code}"
