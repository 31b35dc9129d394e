"""Loaded by the worker processes alone: there, uploaded connections have a feed, and a system that it comes from."""

from apps.integrations.connectors import CONNECTORS
from apps.integrations.feeds import register_feed
from apps.integrations.models import Connection
from tests.integrations.things import feed
from tests.processes.slow import FEED, Slow

register_feed(feed(kind=Connection.Kind.UPLOAD, name=FEED))
CONNECTORS[Connection.Kind.UPLOAD] = Slow()
