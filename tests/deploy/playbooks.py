"""playbooks.py ROOT: ansible-lint's strictest profile has nothing to say about the collection, and each playbook is read with each inventory. Ends
with 77 (skipped) where Ansible is not installed; tools/setup/apt deploy installs it."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77


def run(folder: pathlib.Path, home: str, *command: str) -> list[str]:
    environment = {"PATH": "/usr/bin:/usr/sbin:/bin", "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "HOME": home, "XDG_CACHE_HOME": home, "ANSIBLE_HOME": home}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return [] if done.returncode == 0 else [f"{' '.join(command)}:\n{done.stdout}{done.stderr}"]


def main() -> int:
    if not os.access("/usr/bin/ansible-lint", os.X_OK):
        return SKIPPED
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work) / "ansible"  # a copy: ansible-lint writes beside what it reads
        shutil.copytree(pathlib.Path(sys.argv[1]) / "ansible", folder)
        found = run(folder, work, "ansible-lint", "--profile", "production", "--offline", "--nocolor", "--strict", ".")
        for inventory in sorted((folder / "inventories").iterdir()):
            for playbook in sorted((folder / "playbooks").iterdir()):
                found += run(folder, work, "ansible-playbook", "--syntax-check", "-i", str(inventory.relative_to(folder)), str(playbook.relative_to(folder)))
    if found:
        print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
