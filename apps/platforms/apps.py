from django.apps import AppConfig


class PlatformsConfig(AppConfig):
    name = "apps.platforms"
    label = "platforms"

    def ready(self) -> None:
        from apps.platforms import exception_types, purging, sending  # noqa: F401  they register themselves
