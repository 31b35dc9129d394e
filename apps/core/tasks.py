from celery import shared_task

from apps.core import sign_ins


@shared_task
def forget_sign_ins() -> None:
    sign_ins.forget_old()
