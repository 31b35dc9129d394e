"""Bodies: JSON of a bounded size, and a form with a file."""

import json
from hashlib import sha256
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

LARGEST = 1 << 20  # bytes of JSON
DEEPEST = 12  # levels; what is read here has four
TOO_DEEP = "The JSON is nested too deeply."


class TooLarge(APIException):
    status_code = 413
    default_code = "too-large"
    default_detail = f"A body of JSON has at most {LARGEST:,} bytes."


class BoundedJSONParser(JSONParser):
    def parse(self, stream: Any, media_type: str | None = None, parser_context: dict | None = None) -> Any:
        if int(parser_context["request"].META.get("CONTENT_LENGTH") or 0) > LARGEST:
            raise TooLarge
        try:
            found = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError(TOO_DEEP) from error
        _check(found)
        return found


def _check(found: Any) -> None:
    """What Python reads and nobody can write again: half of a letter, or so deep that the next look at it fails."""
    level = [found]
    for _ in range(DEEPEST):
        level = [each for value in level if isinstance(value, dict | list) for each in _within(value)]
        if not level:
            break
    else:
        raise ParseError(TOO_DEEP)
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ParseError("The text has half of a letter in it: a surrogate without its other one.") from error


def _within(value: dict | list) -> Any:
    return value.values() if isinstance(value, dict) else value


def content_of(data: Any) -> Any:
    """What was sent, as what JSON can hold: a file as the hash of its bytes."""
    if not hasattr(data, "getlist"):
        return data
    return {name: [_content(each) for each in data.getlist(name)] for name in sorted(data)}


def _content(value: Any) -> str:
    if not isinstance(value, UploadedFile):
        return value
    digest = sha256()
    for chunk in value.chunks():
        digest.update(chunk)
    return digest.hexdigest()
