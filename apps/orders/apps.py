from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "apps.orders"
    label = "orders"

    def ready(self) -> None:
        from apps.orders import exception_types, ingest, mapping_deeds, routines, routing  # noqa: F401  register themselves
