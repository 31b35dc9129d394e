from celery import shared_task

from apps.integrations import jobs, operations, runs


@shared_task
def run_job(job_id: int) -> None:
    jobs.run(job_id, jobs.runner_name())


@shared_task
def requeue_expired() -> None:
    jobs.requeue_expired()


@shared_task
def pull_source(source_id: int) -> None:
    runs.pull_due(source_id)


@shared_task
def add_feeds() -> None:
    operations.add_feeds()
