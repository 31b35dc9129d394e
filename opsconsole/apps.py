from django.apps import AppConfig
from django.conf import settings


class OpsconsoleConfig(AppConfig):
    """Stands first in INSTALLED_APPS: its `migrate` and `flush` take the place of Django's."""

    name = "opsconsole"

    def ready(self) -> None:
        from opsconsole import celery  # noqa: F401  so that every shared_task finds this broker
        from opsconsole.operate import reports

        if settings.SENTRY_DSN:
            reports.start(settings.SENTRY_DSN)
