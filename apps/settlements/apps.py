from django.apps import AppConfig


class SettlementsConfig(AppConfig):
    name = "apps.settlements"
    label = "settlements"

    def ready(self) -> None:
        from apps.settlements import (  # noqa: F401  they register themselves
            exception_types,
            feed,
            jobs,
            leg_jobs,
            routines,
            rule_deeds,
            skus,
        )
