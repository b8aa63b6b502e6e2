"""One secured broker for all that is asked of security."""

from collections.abc import Iterator

import pytest

from pipeline.kafka.acls import Process, user_name
from tests.security.secured import SecuredBroker, secured_broker

NAMESPACE = "eu"
STRANGER = "stranger"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """It knows a user for each process of namespace `eu`, and one who never gets a permission."""
    users = [user_name(NAMESPACE, process) for process in Process]
    with secured_broker(tmp_path_factory.mktemp("secured"), NAMESPACE, [*users, STRANGER]) as running:
        yield running
