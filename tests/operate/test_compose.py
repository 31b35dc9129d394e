"""compose.yaml without Docker: the same commands as processes, with its environment on the embedded servers; and the image."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from cryptography.fernet import Fernet
from django.conf import settings

from apps.integrations import jobs
from apps.integrations.jobs import QUEUES
from apps.integrations.models import Job, JobState
from opsconsole.supervisor import die_with_parent
from tests.children import environment
from tests.factories import EntityFactory
from tests.operate.kinds import SMALL
from tests.polling import eventually

COMPOSE = yaml.safe_load((settings.BASE_DIR / "compose.yaml").read_text())["services"]
DOCKERFILE = (settings.BASE_DIR / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
LONG_RUNNING = ("web", *(f"worker-{queue}" for queue in QUEUES), "beat")
BIND = "--bind=0.0.0.0:8000"
HOST, TOKEN = "console.example", "a-token-of-this-test"


class Service:
    """A service of compose.yaml as a process: its command, and of the environment what it names."""

    def __init__(self, name: str, port: int, values: dict[str, str], folder: Path):
        (program, *arguments), named = COMPOSE[name]["command"], COMPOSE[name]["environment"]
        place = f"--bind=127.0.0.1:{port}"
        self.log = folder / f"{name}.log"
        self.process = subprocess.Popen(
            [Path(sys.executable).parent / program, *(place if word == BIND else word for word in arguments)],
            cwd=settings.BASE_DIR,
            env={key: values.get(key, "") if "$" in given or "//" in given else given for key, given in named.items()}
            | {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "tests.operate.production"}
            | {"OPSCONSOLE_DATA": str(folder), "FILES_ROOT": str(folder / "files")},
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
        )

    def lines(self) -> list[dict]:
        """Each is JSON, but for Celery's word to the terminal when it is asked to end."""
        written = [line for line in self.log.read_text().splitlines() if line and not line.startswith("worker: Warm shutdown")]
        return [json.loads(line) for line in written]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def services(transactional_db, port, tmp_path) -> Iterator[dict[str, Service]]:
    servers = environment(settings.DATABASES["default"]["NAME"])
    values = {name: servers[name] for name in ("DATABASE_URL", "REDIS_URL")} | {
        "DJANGO_SECRET_KEY": Fernet.generate_key().decode() * 2,
        "DJANGO_ALLOWED_HOSTS": HOST,
        "OPSCONSOLE_CREDENTIAL_KEYS": Fernet.generate_key().decode(),
        "METRICS_TOKEN": TOKEN,
    }
    started = {}
    try:
        for name in LONG_RUNNING:
            started[name] = Service(name, port, values, tmp_path)
        yield started
    finally:
        for service in started.values():
            service.process.kill()
            service.process.wait()


@pytest.mark.processes
def test_the_same_processes_without_docker(services, port):
    web = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

    def ready() -> bool:
        assert all(service.process.poll() is None for service in services.values()), said(services)
        try:
            return web.get("/readyz").status_code == 200
        except httpx.ConnectError:
            return False

    eventually(ready, "every part to be alive", seconds=150)
    entity = EntityFactory()
    small = [jobs.enqueue(kind=SMALL[queue].name, entity=entity) for queue in QUEUES]
    done = Job.objects.filter(pk__in=[job.pk for job in small], state=JobState.DONE)
    eventually(lambda: done.count() == len(QUEUES), "a job of each queue to end", seconds=60)

    by_proxy = {"Host": HOST, "X-Forwarded-Proto": "https"}
    assert web.get("/login/", headers={"Host": HOST}).headers["Location"] == f"https://{HOST}/login/"
    for _ in range(8):  # two processes answer them
        assert web.get("/login/", headers=by_proxy).status_code == 200
    figures = web.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    assert 'opsconsole_http_seconds_count{status="2xx",view="login"} 8.0' in figures

    for service in services.values():
        service.process.send_signal(signal.SIGTERM)
    ended = {name: service.process.wait(timeout=60) for name, service in services.items()}
    assert set(ended.values()) == {0}, (ended, said(services))
    for queue, job in zip(QUEUES, small, strict=True):
        assert str(job.pk) in [line.get("job_id") for line in services[f"worker-{queue}"].lines()]
    assert [line["view"] for line in services["web"].lines() if line.get("status") == 200] == ["login"] * 8


def said(services: dict[str, Service]) -> str:
    return "\n".join(f"{name}:\n{service.log.read_text()[-2000:]}" for name, service in services.items())


def test_each_queue_has_a_worker_of_its_own_and_nobody_else_the_owner_s_password():
    words = [word for service in COMPOSE.values() for word in service.get("command", ())]
    assert sorted(word.removeprefix("--queues=") for word in words if word.startswith("--queues=")) == sorted(QUEUES)
    owners = [name for name, service in COMPOSE.items() if "DATABASE_OWNER_URL" in service.get("environment", ())]
    assert owners == ["migrate"]
    assert all(COMPOSE[name]["restart"] == "unless-stopped" for name in COMPOSE if name != "migrate")


def test_the_example_names_every_value_that_compose_asks_for():
    asked = set(re.findall(r"\$\{(\w+)", (settings.BASE_DIR / "compose.yaml").read_text()))
    example = (settings.BASE_DIR / "deploy/example.env").read_text()
    assert set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == asked


def test_what_the_settings_read_can_be_set_through_compose():
    read = set(re.findall(r"environ\.get\(\"(\w+)\"", (settings.BASE_DIR / "opsconsole/settings.py").read_text()))
    of_a_laptop = {"DJANGO_DEBUG", "OPSCONSOLE_DEMO", "OPSCONSOLE_SANDBOX_URL", "WEB_PORT"}
    of_the_image = {"FILES_ROOT", "LOG_FORMAT"}
    assert read - of_a_laptop - of_the_image <= COMPOSE["web"]["environment"].keys()


def test_the_image_has_what_it_copies_and_starts_what_compose_starts():
    copied = [shlex.split(line)[1:-1] for line in DOCKERFILE if line.startswith("COPY ") and "--from" not in line]
    names = {name for names in copied for name in names}
    assert not [name for name in names if not (settings.BASE_DIR / name).exists()]
    kept = {line.removeprefix("!") for line in (settings.BASE_DIR / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    assert names == kept
    (start,) = [json.loads(line.removeprefix("CMD ")) for line in DOCKERFILE if line.startswith("CMD ")]
    assert start == COMPOSE["web"]["command"]
    assert [line for line in DOCKERFILE if line.startswith("USER ")] == ["USER console"]
    assert "--requirement requirements.txt" in "".join(DOCKERFILE)


@pytest.mark.processes
def test_production_settings_pass_django_s_own_check(tmp_path):
    production = {
        "PATH": os.environ["PATH"],
        "OPSCONSOLE_DATA": str(tmp_path),
        "DATABASE_URL": "postgresql://opsconsole:any@database/opsconsole",
        "REDIS_URL": "redis://broker:6379/0",
        "DJANGO_SECRET_KEY": Fernet.generate_key().decode() * 2,
        "DJANGO_ALLOWED_HOSTS": HOST,
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    checked = subprocess.run(command, cwd=settings.BASE_DIR, env=production, capture_output=True, text=True)
    assert (checked.returncode, "no issues" in checked.stdout) == (0, True), checked.stdout + checked.stderr
    said = [sys.executable, "-c", "from opsconsole import settings; print(settings.CONSOLE_URL)"]
    address = subprocess.run(said, cwd=settings.BASE_DIR, env=production, capture_output=True, text=True).stdout
    assert address.strip() == f"https://{HOST}", "links in mails lead there, not to a laptop"
