import pytest


@pytest.fixture
def process_env(process_env) -> dict[str, str]:
    """The worker processes know the tests' kinds of work."""
    return {**process_env, "DJANGO_SETTINGS_MODULE": "tests.processes.settings"}
