from django.apps import AppConfig


class SettlementsConfig(AppConfig):
    name = "apps.settlements"
    label = "settlements"

    def ready(self) -> None:
        from apps.settlements import exception_types, feed, jobs, leg_jobs, rule_deeds, skus  # noqa: F401  they register themselves
