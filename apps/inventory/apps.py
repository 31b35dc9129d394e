from django.apps import AppConfig


class InventoryConfig(AppConfig):
    name = "apps.inventory"
    label = "inventory"

    def ready(self) -> None:
        from apps.inventory import exception_types, ingest, routines, unmapped  # noqa: F401  register types, feed, use of SKUs
