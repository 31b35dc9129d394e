"""How gunicorn serves the console. It finds this file by its name; what is on its command line wins."""

import os
import shutil
import tempfile

# Before anything counts: the figures of all web processes lie side by side here, and /metrics adds them up.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="opsconsole-metrics-")

from opsconsole.settings import LOGGING

logconfig_dict = LOGGING
workers = 2
threads = 4
control_socket_disable = True


def on_exit(server) -> None:
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
