"""A write is done once for each Idempotency-Key of a person, however often it is sent."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.models import AnsweredWrite
from apps.api.parsing import content_of
from apps.core.errors import Refused
from apps.core.keeping import ANSWERED_WRITES, PURGES
from apps.core.locks import try_for

HEADER = "Idempotency-Key"
LONGEST = 200
REPLAYED = "Idempotent-Replayed"


class KeyMissing(APIException):
    status_code = 400
    default_code = "idempotency-key-missing"
    default_detail = (
        f"Each write needs the header {HEADER}, 1 to {LONGEST} printable characters that you make up once for it, such as a "
        "UUID. Sent again with the same one it is answered again, and done once."
    )


def once(handler: Callable[..., Response]) -> Callable[..., Response]:
    """The handler in a transaction together with its kept answer."""

    @wraps(handler)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        return answered_once(request, lambda: handler(view, request, *args, **kwargs))

    answer.takes_key = True
    return answer


def answered_once(request: Request, do: Callable[[], Response]) -> Response:
    """What `do` answers, or has answered. A refusal is not kept: nothing was done, and the key may be used again."""
    key, asked = _key(request), _asked(request)
    with transaction.atomic():
        if not try_for(f"api write {request.user.pk} {key}"):
            raise Refused("The same request is being done right now. Ask again in a moment.", code="in-flight")
        kept = AnsweredWrite.objects.filter(user=request.user, key=key).first()
        if kept is None:
            response = do()
            AnsweredWrite.objects.create(
                user=request.user, key=key, asked=asked, status=response.status_code, body=response.data
            )
            return response
    if kept.asked != asked:
        raise Refused(f"This {HEADER} was used for another request. Make up a new one for each.", code="idempotency-key-reused")
    return Response(kept.body, kept.status, headers={REPLAYED: "true"})


def forget() -> int:
    """Delete the answers that are older than ANSWERED_WRITES; how many."""
    return AnsweredWrite.objects.filter(answered_at__lt=timezone.now() - ANSWERED_WRITES).delete()[0]


PURGES["answers to writes"] = forget


def _key(request: Request) -> str:
    key = request.headers.get(HEADER, "")
    if not (1 <= len(key) <= LONGEST and key.isascii() and key.isprintable()):
        raise KeyMissing
    return key


def _asked(request: Request) -> str:
    """Keyed, since the body may hold a secret."""
    said = [request.method, request.path, content_of(request.data)]
    return salted_hmac(__name__, json.dumps(said, sort_keys=True, cls=DjangoJSONEncoder), algorithm="sha256").hexdigest()
