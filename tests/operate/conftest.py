"""A backup begins with a company that has books."""

from tests.settlements.conftest import entity, place, priya

__all__ = ["entity", "place", "priya"]
