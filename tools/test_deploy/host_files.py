"""What there is on a host, to compare it with what there was."""
import hashlib
import os
import pathlib
import re

import hosts
from faults import Fault

# What Debian keeps of packages that came and went, what runs by the clock, and what systemd and Ansible leave.
MAY_DIFFER = re.compile(
    r"^/(var/log/|var/cache/(apt|debconf|ldconfig|man)/|var/lib/(apt|dpkg|systemd|pam|private|logrotate|ucf|dbus)/|root/\.(ansible|bash_history)|"
    r"run/|tmp/|var/tmp/|srv/(mimicfleet|fleet|mimicfleet-models)/|mnt/packages/|home/(ada|grace)/|"
    r"etc/(group|gshadow|passwd|shadow|subuid|subgid)-$|etc/(ld\.so\.cache|\.pwd\.lock|machine-id|resolv\.conf)$|.*/__pycache__/)")
# Compared by their meaning below.
ACCOUNTS = re.compile(r"^/etc/(passwd|group|shadow|gshadow|subuid|subgid)$")


class Snapshot:
    def __init__(self, host: hosts.Host):
        self.things = _files(host.files)
        for base in ("passwd", "group"):
            for line in (host.files / "etc" / base).read_text(encoding="utf-8").splitlines():
                self.things[f"{base} {line.split(':')[0]}"] = line
        for line in host.run("systemctl list-unit-files --no-legend --plain | grep -v '[.]scope'").stdout.splitlines():
            name, *state = line.split()
            self.things[f"unit {name}"] = " ".join(state)

    def differences(self, now: "Snapshot") -> list[str]:
        found = [f"gone: {name}" for name in sorted(self.things.keys() - now.things.keys())]
        found += [f"new: {name}" for name in sorted(now.things.keys() - self.things.keys())]
        return found + [f"changed: {name}: {self.things[name]} -> {now.things[name]}"
                        for name in sorted(self.things.keys() & now.things.keys()) if self.things[name] != now.things[name]]


class Snapshots:
    """Of several hosts."""

    def __init__(self, several: list[hosts.Host]):
        self.hosts = several
        self.taken = self._take()

    def _take(self) -> dict[str, Snapshot]:
        return {host.name: Snapshot(host) for host in self.hosts}

    def compare(self) -> None:
        """Raises Fault when something differs from then."""
        now = self._take()
        differences = [f"{name}: {line}" for name, then in self.taken.items() for line in then.differences(now[name])]
        if differences:
            raise Fault(f"{len(differences)} things are not as they were:\n" + "\n".join(differences[:60]))


def _files(root: pathlib.Path) -> dict[str, str]:
    """Each path with its kind, mode and owner, and the content of settings."""
    found = {}
    device = os.stat(root).st_dev
    for folder, folders, files in os.walk(root):
        here = folder.removeprefix(str(root)) + "/"
        folders[:] = [name for name in folders if os.lstat(f"{folder}/{name}").st_dev == device and here + name not in ("/proc", "/sys", "/dev")]
        for name in [*folders, *files]:
            path = here + name
            if MAY_DIFFER.match(path) or MAY_DIFFER.match(path + "/") or ACCOUNTS.match(path):
                continue
            seen = os.lstat(root / path[1:])
            found[path] = f"{seen.st_mode:o} {seen.st_uid}:{seen.st_gid}"
            if path.startswith("/etc/") and name in files:
                found[path] += " " + _content(f"{folder}/{name}")
    return found


def _content(path: str) -> str:
    if os.path.islink(path):
        return os.readlink(path)
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:12]
