"""wrong_values.py ROOT: site.yml names a variable whose value is wrong, for each host that has it, and ends for all hosts before a task that could
change one. Runs with --check, so that a fault harms nobody. Ends with 77 (skipped) where Ansible is not installed; tools/setup/apt deploy installs it."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SKIPPED = 77
RIGHT = {"mimicfleet_bundle": "/nowhere/mimicfleet-1-linux-x86_64.tar.zst", "mimicfleet_security": "trusted_network", "mimicfleet_models_from": "toy"}
WORKERS = {"w1", "w2"}
ALL = {"hub"} | WORKERS
# What is wrong; on which host (None: on all); what must be said, by whom.
CASES = [
    ({"mimicfleet_models_from": "floppy"}, None, "value of mimicfleet_models_from must be one of: toy, folder, nfs, rsync, got: floppy", WORKERS),
    ({"mimicfleet_worker_drain_seconds": "long"}, "w2", "argument 'mimicfleet_worker_drain_seconds' is of type", {"w2"}),
    ({"mimicfleet_security": None}, None, "missing required arguments: mimicfleet_security", ALL),
    ({"mimicfleet_worker_hosts_at_once": "few"}, None, "mimicfleet_worker_hosts_at_once: few is neither a number", ALL),
]


def inventory(wrong: dict, host: str | None) -> dict:
    """Of a coordinator, which watches as well, and two workers."""
    everywhere = {**RIGHT, **(wrong if host is None else {})}
    hosts = {name: {} for name in ALL}
    if host:
        hosts[host] = wrong
    groups = {"mimicfleet_coordinator": ["hub"], "mimicfleet_workers": sorted(WORKERS), "mimicfleet_monitoring": ["hub"]}
    return {"all": {"vars": {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": "/usr/bin/python3",
                             **{name: value for name, value in everywhere.items() if value is not None}},
                    "hosts": hosts, "children": {group: {"hosts": {name: {} for name in names}} for group, names in groups.items()}}}


def play(ansible: pathlib.Path, folder: pathlib.Path, hosts: dict) -> tuple[int, str]:
    file = folder / "inventory.json"
    file.write_text(json.dumps(hosts))
    environment = {"PATH": "/usr/bin:/usr/sbin:/bin", "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "HOME": str(folder), "ANSIBLE_HOME": str(folder)}
    done = subprocess.run(["ansible-playbook", "--check", "-i", str(file), "playbooks/site.yml"], cwd=ansible, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def check(ansible: pathlib.Path, folder: pathlib.Path, case: tuple) -> list[str]:
    wrong, host, message, by = case
    code, said = play(ansible, folder, inventory(wrong, host))
    reports = dict(re.findall(r'^fatal: \[(\w+)\].*?"?msg"?: (.*)$', said, re.MULTILINE))
    found = [] if code else [f"{wrong}: site.yml succeeded"]
    if who := {name for name, report in reports.items() if message in report} ^ by:
        found.append(f"{wrong}: it is not told of {', '.join(sorted(by))} alone: {', '.join(sorted(who))}:\n{said}")
    if re.search(r"changed=[1-9]", said) or "PLAY [Bring" in said:
        found.append(f"{wrong}: site.yml went on:\n{said}")
    return found


def main() -> int:
    if not os.access("/usr/bin/ansible-playbook", os.X_OK):
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        found = [fault for case in CASES for fault in check(pathlib.Path(sys.argv[1]) / "ansible", pathlib.Path(folder), case)]
    if found:
        print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
