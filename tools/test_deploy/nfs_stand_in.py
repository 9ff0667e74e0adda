"""A package in the place of nfs-common: SERVER:/export/NAME is the folder NAME of the folder that the test's hosts share. Mounting NFS asks for
support in the kernel that a container's host may not have."""
import pathlib
import subprocess

from fleet import SHARED

CONTROL = """Package: nfs-common
Version: 1:99
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: stands in for nfs-common
"""
MOUNT = f"""#!/bin/sh
exec mount --bind "{SHARED}/${{1##*/}}" "$2"
"""


def make(folder: pathlib.Path) -> pathlib.Path:
    """The package's file."""
    tree = folder / "nfs-common"
    for name, text, mode in (("DEBIAN/control", CONTROL, 0o644), ("sbin/mount.nfs", MOUNT, 0o755)):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
    package = folder / "nfs-common_99_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, package], check=True, stdout=subprocess.DEVNULL)
    return package
