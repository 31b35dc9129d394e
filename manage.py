#!/usr/bin/env python3
"""Django's command line, plus `run`, and `services status|stop` for the embedded servers."""

import os
import sys


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsconsole.settings")
    try:
        from opsconsole import embedded, run
    except ImportError as error:
        print(f"{error.name} is missing. Run `make setup`, then `.venv/bin/python manage.py`.", file=sys.stderr)
        return 1
    try:
        # Before Django: loading the settings starts servers, and these two decide about that themselves.
        if sys.argv[1:2] == ["services"]:
            return embedded.command(sys.argv[2:])
        if sys.argv[1:2] == ["run"]:
            return run.command(sys.argv[2:])
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except embedded.ServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
