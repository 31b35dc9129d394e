"""Amazon's usage plans: one bucket for each account and operation, in Redis, so that all workers share it."""

import functools
from collections.abc import Sequence
from datetime import timedelta

import redis
from django.conf import settings

from apps.integrations.connectors.amazon.answers import Operation
from apps.integrations.contract import Allowance

KEPT = timedelta(days=1)  # unused, any bucket is full long before
# A token bucket by Redis' own clock. Tokens may be owed: whoever takes one that is not there yet waits until it is. Where
# that is longer than they would, nothing is taken. Says in how many microseconds the call's turn is. Where the clock was put
# back, time counts from now on; and nobody owes more than a wait at the rate that holds now, whatever held before.
TAKE = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'rate')
local rate, burst, patience = tonumber(kept[3] or ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tokens = burst
if kept[1] then
    if tonumber(kept[2]) > now then
        redis.call('HSET', KEYS[1], 'at', string.format('%.6f', now))
    end
    tokens = math.min(burst, kept[1] + math.max(0, now - kept[2]) * rate)
    tokens = math.max(tokens, -patience * rate)
end
local wait = math.max(0, (1 - tokens) / rate)
if wait <= patience then
    redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens - 1), 'at', string.format('%.6f', now))
    redis.call('EXPIRE', KEYS[1], ARGV[4])
end
return math.ceil(wait * 1000000)
"""


def take(account: str, operation: Operation, patience: timedelta) -> timedelta:
    """Take the next call's place, unless it is further off than `patience`; how far off it is.

    The operation's rate holds where nobody has kept the account's own. One call of the burst is spared: on the way calls may
    catch up.
    """
    arguments = [
        operation.rate,
        max(1, operation.burst - 1),
        patience.total_seconds(),
        int(KEPT.total_seconds()),
    ]
    return timedelta(microseconds=_script()(keys=[_key(account, operation)], args=arguments))


def keep_rate(account: str, operation: Operation, rate: float) -> None:
    """From now on the account's own rate holds, in calls per second, and no more the published one."""
    with _redis().pipeline() as pipe:
        pipe.hset(_key(account, operation), "rate", rate).expire(_key(account, operation), KEPT).execute()


def left(asked: Sequence[tuple[str, Operation]]) -> list[Allowance]:
    """How much of each (account, operation) is left now, in one question."""
    with _redis().pipeline() as pipe:
        pipe.time()
        for account, operation in asked:
            pipe.hmget(_key(account, operation), "tokens", "at", "rate")
        (seconds, micros), *kept = pipe.execute()
    now = seconds + micros / 1_000_000
    return [_left(operation, *values, now) for (_, operation), values in zip(asked, kept, strict=True)]


def _left(operation: Operation, tokens: bytes | None, at: bytes | None, rate: bytes | None, now: float) -> Allowance:
    burst, named = max(1, operation.burst - 1), float(rate or operation.rate)
    there = burst if tokens is None else min(burst, float(tokens) + max(0.0, now - float(at)) * named)
    return Allowance(operation=operation.name, left=max(0.0, there / burst), rate=named)


def _key(account: str, operation: Operation) -> str:
    return f"amazon-allowance:{account}:{operation.name}"


@functools.cache
def _script():
    return _redis().register_script(TAKE)


@functools.cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)
