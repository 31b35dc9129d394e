"""A message as the JSON of chat tools. What a record brought along is text there, whatever marks of theirs are in it."""

import re
from typing import Any

from django.conf import settings

from apps.work.alerts.models import Alert, Channel

# Slack and Google Chat make words bold, italic, struck out or code between these, and know no way to write them as they are.
# Within a word, as in BF_OAK_40, they stay as they are.
MARKS = re.compile(r"(?<![^\W_])[*_~`]|[*_~`](?![^\W_])")
ALIKE = str.maketrans({"*": "\u2217", "_": "\u02cd", "~": "\u223c", "`": "\u02cb"})
READ_BY_CHAT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "/"})  # <!channel> would call everybody


def content_of(alert: Alert) -> dict[str, Any]:
    """Text with <address|words> links, or an adaptive card for Teams."""
    if alert.channel.kind == Channel.Kind.TEAMS:
        return _card(alert)
    lines = [f"<{link(path)}|{_plain(words)}>" if path else _plain(words) for words, path in alert.body]
    return {"text": "\n".join([f"*{_plain(alert.subject)}*", *lines])}


def link(path: str) -> str:
    return settings.CONSOLE_URL.rstrip("/") + path


def _card(alert: Alert) -> dict[str, Any]:
    texts = [_run(alert.subject, weight="bolder"), *(_run(words) for words, path in alert.body if not path)]
    buttons = [{"type": "Action.OpenUrl", "title": words[:200], "url": link(path)} for words, path in alert.body if path]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": texts, "actions": buttons}
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


def _run(words: str, **style: str) -> dict[str, Any]:
    """A TextBlock reads Markdown; the runs of a RichTextBlock are text."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": words, **style}]}


def _plain(words: str) -> str:
    return MARKS.sub(lambda mark: mark[0].translate(ALIKE), words).translate(READ_BY_CHAT)
