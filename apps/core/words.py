"""How sentences count and list, in every layer. Pure."""

from collections.abc import Iterable


def listed(names: Iterable[str], joined: str = "and") -> str:
    """Marta Lis, Priya Nair and Ian Grove."""
    names = list(names)
    return f" {joined} ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def counted(number: int, noun: str, nouns: str = "") -> str:
    """1 line, 24,715 lines."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
