from django.apps import AppConfig


class WorkConfig(AppConfig):
    name = "apps.work"
    label = "work"

    def ready(self) -> None:
        from apps.work import proposals, purging  # noqa: F401  cases as a kind of records, and what goes by age
        from apps.work.alerts import leaving, sending  # noqa: F401  what leavers had, and the kind of job that sends alerts
        from apps.work.bulk import jobs  # noqa: F401  registers the kinds of job that check and do a bulk
