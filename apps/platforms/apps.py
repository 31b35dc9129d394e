from django.apps import AppConfig


class PlatformsConfig(AppConfig):
    name = "apps.platforms"
    label = "platforms"

    def ready(self) -> None:
        from apps.platforms import exception_types, sending  # noqa: F401  register the type, and the job that asks for retries
