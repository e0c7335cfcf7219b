"""The receiver on both kinds of ledger."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from banana_pipeline_tests.callbacks.receiving import Receiving
from banana_pipeline_tests.store.conftest import _kept_database, ledger_url, postgres_url

__all__ = ["_kept_database", "ledger_url", "postgres_url"]

NewReceiver = Callable[..., Receiving]


@pytest.fixture
def new_receiver(ledger_url: str) -> Iterator[NewReceiver]:
    """Starts a receiver; its arguments are those of `callbacks_app`."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Receiving(ledger_url, **settings))


@pytest.fixture
def receiver(new_receiver: NewReceiver) -> Receiving:
    """A receiver that takes unsigned callbacks."""
    return new_receiver()
