"""What every test can ask for; the fixtures themselves live in tests/fixtures."""

from hypothesis import HealthCheck, settings

# a machine under load is no fault: how long one example takes says nothing about what is proved
settings.register_profile("plateline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plateline")

pytest_plugins = [
    "tests.fixtures.controls",
    "tests.fixtures.go",
    "tests.fixtures.kafka",
    "tests.fixtures.postgres",
    "tests.fixtures.requirements",
    "tests.fixtures.sources",
]


def pytest_addoption(parser):
    parser.addoption("--kafka-bootstrap", help="use this broker instead of starting one")
    parser.addoption("--pg-dsn", help="use this PostgreSQL (superuser URL) instead of starting one")
