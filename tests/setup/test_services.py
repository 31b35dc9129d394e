"""The embedded servers: found or started by whoever needs them, shared, private, and hard to break."""

import json
import os
import signal
import stat

import psycopg
import pytest
import redis

from opsconsole.embedded import postgres, valkey

pytestmark = pytest.mark.processes

ENSURE = ("-c", "import json; from opsconsole import embedded; print(json.dumps(embedded.ensure()))")
RUNNING = "PostgreSQL 18 runs.\nValkey 9 runs.\n"
STOPPED = "PostgreSQL 18 does not run.\nValkey 9 does not run.\n"


def ensure(installation) -> dict[str, str]:
    status, printed = installation.run(*ENSURE)
    assert status == 0, printed
    return json.loads(printed)


def remember(urls) -> None:
    with psycopg.connect(urls["DATABASE_OWNER_URL"]) as database:
        database.execute("CREATE TABLE kept AS SELECT 'Tie-out' AS word")


def kept(urls) -> str:
    with psycopg.connect(urls["DATABASE_OWNER_URL"]) as database:
        return database.execute("SELECT word FROM kept").fetchone()[0]


def test_status_and_stop_start_nothing(installation):
    assert installation.manage("services", "status")[1].startswith(STOPPED)
    assert installation.manage("services", "stop") == (0, "Nothing runs.\n")
    assert not installation.places.home.exists()


def test_a_command_starts_the_servers_and_stop_keeps_the_data(installation):
    assert installation.manage("check")[0] == 0
    assert installation.manage("services", "status")[1].startswith(RUNNING)
    remember(ensure(installation))
    assert installation.manage("services", "stop") == (0, "Stopped PostgreSQL 18 and Valkey 9.\n")
    assert installation.manage("services", "status")[1].startswith(STOPPED)
    assert kept(ensure(installation)) == "Tie-out"


def test_an_unknown_word_gets_the_usage(installation):
    assert installation.manage("services", "restart") == (1, "Usage: manage.py services status|stop\n")


def test_stop_does_not_wait_for_open_connections(installation):
    with psycopg.connect(ensure(installation)["DATABASE_URL"]) as idle:
        idle.execute("SELECT 1")
        assert installation.manage("services", "stop") == (0, "Stopped PostgreSQL 18 and Valkey 9.\n")
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")


def test_first_starts_at_the_same_time_meet_at_one_server(installation):
    printed = [process.communicate(timeout=120)[0] for process in [installation.start(*ENSURE) for _ in range(8)]]
    assert len(set(printed)) == 1
    assert kept_after_remembering(json.loads(printed[0])) == "Tie-out"


def kept_after_remembering(urls) -> str:
    remember(urls)
    return kept(urls)


def test_killed_servers_come_back_with_the_data(installation):
    remember(ensure(installation))
    pid, _ = postgres.process(installation.places)
    os.kill(pid, signal.SIGKILL)
    os.kill(valkey.process(installation.places), signal.SIGKILL)
    urls = ensure(installation)
    assert kept(urls) == "Tie-out"
    assert redis.Redis.from_url(urls["REDIS_URL"]).ping()


def test_lost_sockets_come_back(installation):
    """A cleaner of temporary files may take them from running servers."""
    remember(ensure(installation))
    for socket in installation.places.sockets.iterdir():
        socket.unlink()
    assert kept(ensure(installation)) == "Tie-out"


def test_a_lock_file_that_names_another_process_is_stale(installation):
    remember(ensure(installation))
    installation.manage("services", "stop")
    for lock in (installation.places.home / "postgres/postmaster.pid", installation.places.home / "valkey/valkey.pid"):
        lock.write_text(f"{os.getpid()}\n")
    assert kept(ensure(installation)) == "Tie-out"
    assert installation.manage("services", "stop") == (0, "Stopped PostgreSQL 18 and Valkey 9.\n")


def test_a_half_made_data_folder_is_made_again(installation):
    places = installation.places
    places.home.mkdir(parents=True)
    half = places.home / "postgres.new-1"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    (places.home / "programs.new").mkdir()
    urls = ensure(installation)
    assert kept_after_remembering(urls) == "Tie-out"
    assert not half.exists()


def test_a_project_path_of_120_characters(deep_installation):
    assert len(str(deep_installation.data)) == 120
    assert kept_after_remembering(ensure(deep_installation)) == "Tie-out"
    assert max(len(str(path)) for path in deep_installation.places.sockets.iterdir()) < 107


def test_only_we_can_reach_the_servers(installation):
    urls = ensure(installation)
    places = installation.places
    assert stat.S_IMODE(places.sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE((places.home / "passwords").stat().st_mode) == 0o600
    with psycopg.connect(urls["DATABASE_URL"]) as database:
        assert database.execute("SELECT current_setting('listen_addresses')").fetchone() == ("",)
    for role in ("opsconsole", "opsconsole_owner", "postgres"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host=str(places.sockets), dbname="opsconsole", user=role, password="guessed")
    assert redis.Redis.from_url(urls["REDIS_URL"]).config_get("port") == {"port": "0"}


def test_given_addresses_take_the_place_of_the_servers(installation):
    urls = {"DATABASE_URL": "postgresql://somebody@db.example/console", "REDIS_URL": "redis://broker.example:6379/0"}
    show = ("shell", "-v0", "-c", "from django.conf import settings; print(settings.DATABASES['default']['HOST'])")
    assert installation.manage(*show, **urls) == (0, "db.example\n")
    assert installation.manage("services", "status")[1].startswith(STOPPED)
    status, printed = installation.manage("migrate", **urls)
    assert (status, printed.count("\n")) == (1, 1)
    assert "Set DATABASE_OWNER_URL" in printed


def test_an_owner_address_alone_is_refused(installation):
    status, printed = installation.manage("check", DATABASE_OWNER_URL="postgresql://owner@db.example/console")
    assert (status, printed) == (1, "DATABASE_OWNER_URL is set and DATABASE_URL is not. Set both, or neither.\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_another_user_s_folder_is_one_sentence(installation):
    installation.data.mkdir(mode=0o500)
    status, printed = installation.manage("check")
    assert (status, printed.count("\n")) == (1, 1)
    assert "belongs to another user" in printed


def test_an_existing_data_folder_keeps_its_mode(installation):
    installation.data.mkdir(mode=0o755)
    ensure(installation)
    assert installation.manage("check")[0] == 0
    assert stat.S_IMODE(installation.data.stat().st_mode) == 0o755
