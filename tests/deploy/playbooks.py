"""playbooks.py ROOT: ansible-lint's strictest profile has nothing to say about the collection, and each playbook is read with each inventory. Ends
with 77 (skipped) where Ansible is not installed; tools/setup/apt deploy installs it."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77


def run(folder: pathlib.Path, home: str, *command: str) -> list[str]:
    done = execute(folder, home, *command)
    return [] if done.returncode == 0 else [f"{' '.join(command)}:\n{done.stdout}{done.stderr}"]


def execute(folder: pathlib.Path, home: str, *command: str) -> subprocess.CompletedProcess:
    environment = {"PATH": "/usr/bin:/usr/sbin:/bin", "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "HOME": home, "XDG_CACHE_HOME": home, "ANSIBLE_HOME": home}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def lint(folder: pathlib.Path, home: str) -> list[str]:
    # Without a path: given one, it takes the folder for a single file.
    done = execute(folder, home, "ansible-lint", "--profile", "production", "--offline", "--nocolor", "--strict")
    said = done.stdout + done.stderr
    read = re.search(r" on (\d+) files", said)
    if done.returncode == 0 and read and int(read[1]) >= len(list(folder.glob("roles/*/tasks/*.yml"))):
        return []
    return [f"ansible-lint:\n{said}"]


def main() -> int:
    if not os.access("/usr/bin/ansible-lint", os.X_OK):
        return SKIPPED
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work) / "ansible"  # a copy: ansible-lint writes beside what it reads
        shutil.copytree(pathlib.Path(sys.argv[1]) / "ansible", folder)
        found = lint(folder, work)
        for inventory in sorted((folder / "inventories").iterdir()):
            for playbook in sorted((folder / "playbooks").iterdir()):
                found += run(folder, work, "ansible-playbook", "--syntax-check", "-i", str(inventory.relative_to(folder)), str(playbook.relative_to(folder)))
    if found:
        print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
