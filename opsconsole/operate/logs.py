"""What a line of the log looks like: JSON in production, plain on a laptop; both say which request, task and job it is from.

Tracebacks lose what PostgreSQL quotes of a row ("Failing row contains …"): it may be a buyer's.
"""

import logging
import re

from pythonjsonlogger.json import JsonFormatter

from apps.core import tracing

FORMATS = ("plain", "json")
FIELDS = {"at", "level", "logger", "message", "exc_info", "method", "view", "status", "ms"}
# DETAIL and CONTEXT stand at the end of PostgreSQL's message; after it comes nothing, or the next error of the chain.
QUOTED = re.compile(r"^(?:DETAIL|CONTEXT):.*?(?=\n\nThe above exception|\n\nDuring handling|\Z)", re.MULTILINE | re.DOTALL)


def without_rows(text: str) -> str:
    """An error's text without the values of the row that it is about."""
    return QUOTED.sub("(what PostgreSQL says of the row is left out)", text)


class Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        ids = " ".join(f"{name}={value}" for name, value in tracing.ids().items())
        first, *rest = super().format(record).split("\n")
        return "\n".join([f"{first} [{ids}]" if ids else first, *rest])

    def formatException(self, error) -> str:
        return without_rows(super().formatException(error))


class Json(JsonFormatter):
    def add_fields(self, log_data: dict, record: logging.LogRecord, message_dict: dict) -> None:
        """What libraries hang on a record stays out: Django's has the whole address, Celery's the error once more."""
        super().add_fields(log_data, record, message_dict)
        for name in log_data.keys() - FIELDS:
            del log_data[name]
        log_data.update(tracing.ids())

    def formatException(self, error) -> str:
        return without_rows(super().formatException(error))


def config(form: str) -> dict:
    """logging.config's dictionary for one of FORMATS. In JSON each request and job that ended is a line too."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "plain": {"()": Plain, "format": "{asctime} {levelname} {name}: {message}", "style": "{"},
            "json": {
                "()": Json,
                "fmt": ["levelname", "name", "message"],
                "rename_fields": {"levelname": "level", "name": "logger"},
                "timestamp": "at",
            },
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            "django": {"handlers": [], "level": "WARNING", "propagate": True},  # its own is silent unless DEBUG
            **{name: {"level": "INFO" if form == "json" else "WARNING"} for name in ("apps", "opsconsole")},
            # Its lines about requests know neither the id nor the view: ours take their place.
            **{f"gunicorn.{name}": {"handlers": [], "level": "WARNING", "propagate": True} for name in ("error", "access")},
            # Below WARNING these write down whole addresses, which may be signed, and headers with access tokens.
            **{name: {"level": "WARNING"} for name in ("httpx", "httpcore", "sp_api", "sp_api.base.client")},
        },
    }
