"""The shares of channels over weeks, as lines: what the pages of coverage draw."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from apps.console.pictures import Picture, Series, picture
from apps.core.coverage import Share, Week, by_channel, mondays

CHANNELS_SHOWN = 6  # lines that can be told apart; the table has all


def drawn(
    weeks: Sequence[Week],
    share: Callable[[Week], Share | None],
    percent: Callable[[Share], Decimal],
    *,
    title: str,
    several: bool,
) -> Picture:
    """The channels with the most to count. `several`: of more than one company, whose names are said then."""
    days = mondays(weeks)
    channels = sorted(
        by_channel(weeks), key=lambda each: (-sum(week.now.count for week in each[1].values()), str(each[0]))
    )
    series = []
    for channel, found in channels[:CHANNELS_SHOWN]:
        shares = [share(found[day]) if day in found else None for day in days]
        name = f"{channel.company}: {channel}" if several else str(channel)
        series.append(Series(name=name, values=[each and percent(each) for each in shares]))
    newest = [f"{each.name} {each.values[-1]} %" for each in series if each.values[-1] is not None]
    return picture(
        title=title,
        says=f"From {days[0]:%d.%m.%Y} to the week of {days[-1]:%d.%m.%Y}, with {'; '.join(newest) or 'nothing kept'}.",
        labels=[f"{day.day} {day:%b}" for day in days],
        series=series,
        top=Decimal(100),
        figure="{:.0f} %".format,
    )


def left_out(weeks: Sequence[Week]) -> int:
    """How many channels are in the table alone."""
    return max(0, len(by_channel(weeks)) - CHANNELS_SHOWN)
