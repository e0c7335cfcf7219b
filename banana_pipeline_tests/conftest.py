"""What every test needs, wherever it stands."""

import os
from collections.abc import Iterator

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: at the end the workers share what is small, and none waits for another."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def no_instance_of_another_test() -> Iterator[None]:
    """Dagster keeps the last instance that was opened in mind for all definitions built later, also when it is gone."""
    with set_defs_state_storage(None):
        yield


@pytest.fixture(autouse=True, scope="session")
def no_way_out_of_its_own() -> None:
    """The machine's own proxies and certificates decide no test."""
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name in {"SSL_CERT_FILE", "SSL_CERT_DIR"}:
            del os.environ[name]
