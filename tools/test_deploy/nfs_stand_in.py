"""A package in the place of nfs-common: SERVER:/export/NAME is the folder NAME of the folder that the test's hosts share. Mounting NFS asks for
support in the kernel that a container's host may not have."""
import pathlib

import debian_package
from fleet import SHARED

MOUNT = f"""#!/bin/sh
exec mount --bind "{SHARED}/${{1##*/}}" "$2"
"""


def make(folder: pathlib.Path) -> pathlib.Path:
    """The package's file."""
    return debian_package.build(folder, "nfs-common", "1:99", "Description: stands in for nfs-common\n", {"sbin/mount.nfs": MOUNT},
                                executable=("sbin/mount.nfs",))
