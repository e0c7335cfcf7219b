"""What every test needs, wherever it stands."""

from collections.abc import Iterator

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage


@pytest.fixture(autouse=True)
def no_instance_of_another_test() -> Iterator[None]:
    """Dagster keeps the last instance that was opened in mind for all definitions built later, also when it is gone."""
    with set_defs_state_storage(None):
        yield
