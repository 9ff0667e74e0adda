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
RIGHT = {"mimicfleet_bundle": "/nowhere/mimicfleet-1-linux-x86_64.tar.zst", "mimicfleet_bundle_sha256": "0" * 64,
         "mimicfleet_security": "trusted_network", "mimicfleet_models_from": "toy", "mimicfleet_worker_devices": ["cpu"]}
# Stands in for the module that looks at a host: what it finds is FINDS, or what a case says.
SETUP = """#!/usr/bin/python3
# WANT_JSON
import json
print(json.dumps({"ansible_facts": json.load(open(FILE))}))
"""
FINDS = {"system": "Linux", "architecture": "x86_64", "os_family": "Debian", "service_mgr": "systemd", "distribution": "Debian", "distribution_version": "12.9"}
WORKERS = {"w1", "w2"}
ALL = {"hub"} | WORKERS
# What is wrong; on which host (None: on all); what must be said, by whom; what is found on the hosts instead of FINDS.
CASES = [
    ({"mimicfleet_models_from": "floppy"}, None, "value of mimicfleet_models_from must be one of: toy, folder, nfs, rsync, got: floppy", WORKERS),
    ({"mimicfleet_worker_drain_seconds": "long"}, "w2", "argument 'mimicfleet_worker_drain_seconds' is of type", {"w2"}),
    ({"mimicfleet_security": None}, None, "missing required arguments: mimicfleet_security", ALL),
    ({"mimicfleet_worker_hosts_at_once": "few"}, None, "mimicfleet_worker_hosts_at_once: few is neither a number", ALL),
    ({"mimicfleet_worker_devices": ["gpu0"]}, "w2", "mimicfleet_worker_devices: gpu0 is none of auto, cpu, cuda:0", {"w2"}),
    ({"mimicfleet_worker_devices": ["cuda:0"]}, "w1", "mimicfleet-1-linux-x86_64.tar.zst computes on CPUs only", {"w1"}),
    ({"mimicfleet_models_from": "nfs"}, None, "so mimicfleet_models_nfs must say from where", WORKERS),
    ({"mimicfleet_models_from": "rsync", "mimicfleet_models_source": "/nowhere/models"}, None, "/nowhere/models is no folder of the machine that", WORKERS),
    ({"mimicfleet_models_from": "folder", "mimicfleet_models": "/nowhere/models"}, "w2", "mimicfleet_models: /nowhere/models is no folder of w2", {"w2"}),
    ({"mimicfleet_shared_folder": "/home/clips"}, None, "mimicfleet_shared_folder: /home/clips is no folder for it", ALL),
    ({"mimicfleet_shared_folder_mode": "777"}, None, "value of mimicfleet_shared_folder_mode must be one of: 2770, 2775, got: 777", ALL),
    ({"mimicfleet_transfer": "upload"}, "w1", "value of mimicfleet_transfer must be one of: shared_folder, got: upload", {"w1"}),
    ({}, None, "the programs need Debian 12, Ubuntu 24.04 or later", ALL, {"distribution_version": "11.9"}),
    ({}, None, "the programs need Debian 12, Ubuntu 24.04 or later", ALL, {"distribution": "Ubuntu", "distribution_version": "22.04"}),
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


def play(ansible: pathlib.Path, folder: pathlib.Path, hosts: dict, finds: dict) -> tuple[int, str]:
    file = folder / "inventory.json"
    file.write_text(json.dumps(hosts))
    (folder / "finds.json").write_text(json.dumps(finds))
    (folder / "setup.py").write_text(SETUP.replace("FILE", repr(str(folder / "finds.json"))))
    environment = {"ANSIBLE_LIBRARY": str(folder), "PATH": "/usr/bin:/usr/sbin:/bin", "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "HOME": str(folder), "ANSIBLE_HOME": str(folder)}
    done = subprocess.run(["ansible-playbook", "--check", "-i", str(file), "playbooks/site.yml"], cwd=ansible, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def check(ansible: pathlib.Path, folder: pathlib.Path, case: tuple) -> list[str]:
    wrong, host, message, by, *finds = case
    code, said = play(ansible, folder, inventory(wrong, host), {**FINDS, **(finds[0] if finds else {})})
    wrong = {**wrong, **(finds[0] if finds else {})}
    reports = re.findall(r'^(?:fatal|failed): \[(\w+)\].*?"?msg"?: (.*)$', said, re.MULTILINE)
    found = [] if code else [f"{wrong}: site.yml succeeded"]
    if who := {name for name, report in reports if message in report} ^ by:
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
