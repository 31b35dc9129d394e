"""Keeping periods of one key apart by constraint, without the extension btree_gist, which the embedded server lacks."""

from django.db import models
from django.db.models import F, Func, Value
from django.db.models.functions import Cast, Concat


def key_range(*columns: str) -> Func:
    """A one-point int8range of the hash of some columns: lets GiST compare scalars without the extension btree_gist."""
    parts = [part for column in columns for part in (Cast(F(column), models.TextField()), Value("\x1f"))]
    key = Func(Concat(*parts, output_field=models.TextField()), Value(0), function="hashtextextended")
    return Func(key, key, Value("[]"), function="int8range")
