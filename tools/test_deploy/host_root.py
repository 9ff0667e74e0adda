"""The Debian that the hosts of the test start from, and the packages that roles install there. Both are made once."""
import hashlib
import os
import pathlib
import shutil
import subprocess

from faults import Fault, say

SUITE = "bookworm"
MIRROR = pathlib.Path(__file__).resolve().parents[1] / "setup/debian_mirror"
# What a server of Debian 12 has that Ansible and systemd need of it.
PACKAGES = ["systemd-sysv", "dbus", "libpam-systemd", "python3", "python3-apt", "openssh-server", "iproute2", "udev", "procps",
            "ca-certificates", "logrotate"]
# What roles install. The hosts reach no other packages than these and what they depend on.
FOR_ROLES = ["acl", "tar", "zstd", "rsync", "nfs-common", "prometheus", "prometheus-node-exporter"]
# What administrators install before: on a host reached by an ordinary account, and on one that runs Ansible itself.
FOR_ADMINISTRATORS = ["sudo", "ansible-core"]
SOURCE = "deb [trusted=yes] file:/mnt/packages ./\n"


def _run(log: pathlib.Path, *command) -> None:
    with log.open("a", encoding="utf-8") as file:
        done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False,
                              env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"})
    if done.returncode:
        raise Fault(f"{command[0]} failed with {done.returncode}; see {log}")


def _download(root: pathlib.Path, packages: pathlib.Path, log: pathlib.Path) -> None:
    """FOR_ROLES, FOR_ADMINISTRATORS and what they need beside what is in the root, as a repository."""
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    _run(log, "chroot", root, "apt-get", "-q", "clean")  # of what debootstrap got
    _run(log, "chroot", root, "apt-get", "-q", "update")
    _run(log, "chroot", root, "apt-get", "-q", "install", "--yes", "--no-install-recommends", "--download-only", *FOR_ROLES, *FOR_ADMINISTRATORS)
    packages.mkdir(parents=True)
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        shutil.move(package, packages / package.name)
    with (packages / "Packages").open("w", encoding="utf-8") as file, log.open("a", encoding="utf-8") as errors:
        subprocess.run(["dpkg-scanpackages", "--multiversion", "."], cwd=packages, stdout=file, stderr=errors, check=True)


def _make(folder: pathlib.Path, log: pathlib.Path) -> None:
    root = folder / "in_memory"  # dpkg waits for a disk after every file
    root.mkdir()
    _run(log, "mount", "-t", "tmpfs", "tmpfs", root)
    try:
        _fill(root, folder, log)
        _run(log, "cp", "-a", root, folder / "root")
    finally:
        _run(log, "umount", root)
    root.rmdir()


def _mirror() -> str:
    return subprocess.run([str(MIRROR)], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _fill(root: pathlib.Path, folder: pathlib.Path, log: pathlib.Path) -> None:
    _run(log, "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, root, _mirror())
    _download(root, folder / "packages", log)
    for left in [*(root / "var/lib/apt/lists").glob("*_*"), root / "etc/resolv.conf"]:
        left.unlink()
    os.utime(root / "var/lib/apt/lists", (0, 0))  # else it counts as a list of today
    (root / "etc/apt/sources.list").write_text(SOURCE, encoding="utf-8")
    _run(log, "chroot", root, "apt-get", "-q", "clean")
    _run(log, "chroot", root, "systemctl", "enable", "systemd-networkd", "ssh")


def get(roots: pathlib.Path) -> pathlib.Path:
    """A folder with root/ and packages/, made if it is not there."""
    wanted = hashlib.sha256(repr([PACKAGES, FOR_ROLES, FOR_ADMINISTRATORS, SOURCE]).encode()).hexdigest()[:12]
    folder = roots / f"hosts-{SUITE}-{wanted}"
    if folder.exists():
        return folder
    roots.mkdir(parents=True, exist_ok=True)
    log = roots / f"{folder.name}.log"
    say(f"making a root of Debian {SUITE} and getting packages for it (log: {log})")
    for old in roots.glob(f"*hosts-{SUITE}-*/"):
        shutil.rmtree(old)
    making = roots / f".{folder.name}"
    making.mkdir()
    _make(making, log)
    making.rename(folder)
    return folder
