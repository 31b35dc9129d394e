from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "apps.orders"
    label = "orders"

    def ready(self) -> None:
        from apps.orders import (  # noqa: F401  they register themselves
            buyers,
            exception_types,
            ingest,
            mapping_deeds,
            routines,
            routing,
        )
