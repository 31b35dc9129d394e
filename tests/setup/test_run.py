"""`make run`: one clear sentence where it cannot start, and a whole start and stop."""

import fcntl
import os
import re
import signal
import socket
from http.client import HTTPConnection

import pytest

from opsconsole.embedded import postgres
from tests.polling import eventually
from tests.setup.test_services import RUNNING, STOPPED

pytestmark = pytest.mark.processes


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_taken_port_is_one_sentence_and_nothing_starts(installation):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        status, printed = installation.manage("run", WEB_PORT=str(taken))
    assert (status, printed) == (1, f"Port {taken} is taken. Choose another: make run WEB_PORT={taken + 1}\n")
    assert installation.manage("services", "status")[1].startswith(STOPPED)


@pytest.mark.parametrize("given", ["http", "65535"])
def test_a_port_that_is_none_or_leaves_none_for_the_stand_in(installation, given):
    words = f"WEB_PORT is {given}. Expected a number from 1 to 65534: the stand-in for Amazon takes the port after it.\n"
    assert installation.manage("run", WEB_PORT=given) == (1, words)


def test_a_second_run_names_the_first(installation, port):
    installation.data.mkdir()
    with open(installation.data / "running", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("http://127.0.0.1:8000")
        lock.flush()
        status, printed = installation.manage("run", WEB_PORT=str(port))
    assert (status, printed) == (1, "The console already runs at http://127.0.0.1:8000. Ctrl-C there ends it.\n")


def test_the_demo_answers_to_this_machine_alone(installation):
    show = ("shell", "-v0", "-c", "from django.conf import settings; print(*settings.ALLOWED_HOSTS)")
    public = {"DJANGO_ALLOWED_HOSTS": "console.example"}
    assert installation.manage(*show, **public) == (0, "console.example\n")
    assert installation.manage(*show, **public, OPSCONSOLE_DEMO="1") == (0, "127.0.0.1 localhost [::1]\n")


def test_run_serves_the_console_and_starts_again_what_dies_and_ends_it_all(installation, port):
    console = installation.start("manage.py", "run", WEB_PORT=str(port))
    printed = []
    for line in console.stdout:
        printed.append(line)
        if line.startswith("The console is at"):
            break
    else:
        pytest.fail("".join(printed))
    assert line == f"The console is at http://127.0.0.1:{port}\n"
    assert installation.manage("services", "status")[1].startswith(RUNNING)

    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/", headers={"Host": "console.example"})
    assert connection.getresponse().status == 400
    with pytest.raises(ConnectionRefusedError):  # another address of the same machine
        socket.create_connection(("127.0.0.2", port), timeout=30)

    os.kill(postgres.process(installation.places)[0], signal.SIGKILL)
    eventually(lambda: postgres.ready(installation.places), "PostgreSQL to come back")

    console.send_signal(signal.SIGINT)
    rest, _ = console.communicate(timeout=60)
    assert console.returncode == 0, rest
    assert re.search(r"^Stopped\. The data stays\.$", rest, re.MULTILINE)
    assert installation.manage("services", "status")[1].startswith(STOPPED)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=30)
