from django.apps import AppConfig


class SettlementsConfig(AppConfig):
    name = "apps.settlements"
    label = "settlements"

    def ready(self) -> None:
        from apps.settlements import exception_types  # noqa: F401  registers the types
