"""Hosts for the test: containers with a systemd of their own, on one bridge that leads nowhere else.

alone() puts the test into name spaces of its own first, so that names and addresses never meet another run's, and nothing
outlives the test, however it ends.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys

from faults import Fault, wait_for

GATEWAY = "10.77.9.254"  # the test itself, and where Ansible runs
ALONE = "MIMICFLEET_TEST_ALONE"
# Each host's systemd needs control groups of its own: systemd ends whatever is in a unit's group.
GROUPS = [path for path in map(pathlib.Path, ("/sys/fs/cgroup", *(f"/sys/fs/cgroup/{name}" for name in ("systemd", "unified"))))
          if (path / "cgroup.procs").exists()]


def alone() -> None:
    """Starts this program again, as the first process of its own network, mounts and processes."""
    if os.environ.get(ALONE):
        return
    os.environ[ALONE] = "yes"
    os.execvp("unshare", ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, *sys.argv])


def make_network() -> None:
    for command in ("link set lo up", "link add fleet type bridge", f"addr add {GATEWAY}/24 dev fleet", "link set fleet up"):
        subprocess.run(["ip", *command.split()], check=True)


class Host:
    """One of them. Its files are the shared root's with a layer of its own above."""

    def __init__(self, name: str, number: int, root: pathlib.Path, folder: pathlib.Path, binds: dict[pathlib.Path, str]):
        self.name, self.address, self.folder, self.binds = name, f"10.77.9.{number}", folder / name, binds
        self.files = self.folder / "files"
        self.log = self.folder / "console.log"
        self.key = folder / "key"
        self.process: subprocess.Popen | None = None
        self.groups = [path / f"mimicfleet-test-{os.path.basename(folder)}-{name}" for path in GROUPS]
        self._make_files(root)

    def _make_files(self, root: pathlib.Path) -> None:
        upper, work = self.folder / "upper", self.folder / "work"
        for folder in (upper, work, self.files):
            folder.mkdir(parents=True)
        layers = f"lowerdir={root},upperdir={upper},workdir={work},volatile"  # nothing waits for the disk
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, self.files], check=True)
        self.write("etc/hostname", f"{self.name}\n")
        self.write("etc/machine-id", "")
        self.write("etc/systemd/network/10-host0.network",
                   f"[Match]\nName=host0\n[Network]\nAddress={self.address}/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n")
        self.write("root/.ssh/authorized_keys", self.key.with_suffix(".pub").read_text(encoding="utf-8"))

    def write(self, path: str, text: str) -> None:
        file = self.files / path
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def start(self) -> None:
        command = ["systemd-nspawn", "--quiet", f"--directory={self.files}", f"--machine={self.name}", "--boot", "--register=no",
                   "--keep-unit", "--network-bridge=fleet", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
                   "--console=pipe"]
        command += [f"--bind={source}:{target}" for source, target in self.binds.items()]
        with self.log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self._enter_groups)

    def _enter_groups(self) -> None:
        for group in self.groups:
            group.mkdir(exist_ok=True)
            (group / "cgroup.procs").write_text("0", encoding="utf-8")

    def wait(self) -> None:
        wait_for(f"{self.name} answers (its log: {self.log})", lambda: self.run("true", check=False).returncode == 0, 120)

    def cut_power(self) -> None:
        """All its processes die at once."""
        init = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="utf-8").split()
        os.kill(int(init[0]), signal.SIGKILL)
        self.process.wait(60)

    def run(self, command: str, user: str = "root", check: bool = True, seconds: float = 300) -> subprocess.CompletedProcess:
        """A command line of somebody who logs in there."""
        done = subprocess.run(["ssh", *self.ssh_options(), f"{user}@{self.address}", f"bash -lc {_quoted(command)}"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False)
        if check and done.returncode:
            raise Fault(f"{self.name}: {command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def add_user(self, name: str) -> None:
        """Whom the same key lets in."""
        self.run(f"useradd --create-home --shell /bin/bash {name} && install -d -o {name} -m 700 ~{name}/.ssh && "
                 f"install -o {name} -m 600 ~/.ssh/authorized_keys ~{name}/.ssh/")

    def ssh_options(self) -> list[str]:
        options = ["UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "LogLevel=ERROR", "ConnectTimeout=5", "BatchMode=yes"]
        return ["-i", str(self.key), *(f"-o{option}" for option in options)]

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.cut_power()
        subprocess.run(["umount", "--lazy", self.files], check=False)
        for group in self.groups:
            _remove_groups(group)


def _quoted(command: str) -> str:
    return "'" + command.replace("'", "'\\''") + "'"


def _remove_groups(group: pathlib.Path) -> None:
    for below in sorted(group.glob("**/"), key=lambda path: -len(path.parts)):
        try:
            below.rmdir()
        except OSError:
            pass  # a process that is still ending; an empty group does no harm


def make_key(path: pathlib.Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def remove(folder: pathlib.Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
