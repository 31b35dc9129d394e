"""Amazon's usage plans: one bucket for each account and operation, in Redis, so that all workers share it."""

import functools

import redis
from django.conf import settings

# The theoretical arrival time of the next call (GCRA), by Redis' own clock. It takes the call's place, and says in how many
# microseconds that is.
TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local step, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + step
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000) + 1)
return math.max(0, due - step * burst - now)
"""


def take(account: str, operation: str, *, rate: float, burst: int) -> float:
    """Take the next call's place; the seconds until it. `rate` is in calls per second."""
    key = f"amazon-allowance:{account}:{operation}"
    return _script()(keys=[key], args=[round(1_000_000 / rate), burst]) / 1_000_000


@functools.cache
def _script():
    return redis.Redis.from_url(settings.REDIS_URL).register_script(TAKE)
