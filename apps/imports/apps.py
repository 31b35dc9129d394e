from django.apps import AppConfig


class ImportsConfig(AppConfig):
    name = "apps.imports"
    label = "imports"

    def ready(self) -> None:
        from apps.imports import deeds, jobs, sheets  # noqa: F401  they register themselves
