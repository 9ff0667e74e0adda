"""A fleet for a test: hosts, an inventory of them, the collection of the roles, and what people do with it."""
import json
import os
import pathlib
import re
import subprocess

import hosts
from faults import Fault, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = "/srv/mimicfleet"
SMALL = "--max-pose-frames 8 --steps 3"
OURS = "mimicfleet-*"
USER = "ada"  # who submits
ADMINISTRATOR = "grace"  # by whom Ansible reaches a host on which it may not be root at once
SETTINGS = """[defaults]
collections_path = {folder}/collections
local_tmp = {folder}/ansible
host_key_checking = False
nocolor = True
[ssh_connection]
pipelining = True
control_path_dir = {folder}/ssh
ssh_args = -o ControlMaster=auto -o ControlPersist=120 -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
"""


class Fleet:
    """The hosts, and the playbooks for them. `groups` says which host is in which group, by name."""

    def __init__(self, folder: pathlib.Path, made: pathlib.Path, groups: dict[str, list[str]], variables: dict, shared: str = "/srv/mimicfleet"):
        self.folder, self.groups, self.shared_on_hosts = folder, groups, shared
        self.shared = folder / "shared"
        self.shared.mkdir()
        hosts.make_key(folder / "key")
        hosts.make_network()
        names = list(dict.fromkeys(name for members in groups.values() for name in members))
        binds = {self.shared: SHARED, made / "packages": "/mnt/packages"}
        self.hosts = [hosts.Host(name, number, made / "root", folder, binds) for number, name in enumerate(names, 1)]
        self.hub = self["hub"]
        self.of_administrator = self.hosts[1]
        (folder / "ansible.cfg").write_text(SETTINGS.format(folder=folder), encoding="utf-8")
        self._install_collection()
        self.variables = {
            "ansible_user": "root", "ansible_ssh_private_key_file": str(folder / "key"), "ansible_python_interpreter": "/usr/bin/python3",
            "mimicfleet_security": "trusted_network", "mimicfleet_users": [USER],
            "mimicfleet_coordinator_memory_max": "1G", "mimicfleet_worker_memory_max": "3G",
            "mimicfleet_coordinator_settings": {"lease-ms": 5000, "heartbeat-ms": 1000}, "mimicfleet_worker_settings": {"threads": 1}, **variables}
        self.variables = {name: value for name, value in self.variables.items() if value is not None}

    def __getitem__(self, name: str) -> hosts.Host:
        return next(host for host in self.hosts if host.name == name)

    def _install_collection(self) -> None:
        environment = {**os.environ, "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg")}
        for command in (["build", ROOT / "ansible", "--output-path", self.folder / "collection"],
                        ["install", "--offline", "--collections-path", self.folder / "collections"]):
            made = list((self.folder / "collection").glob("*.tar.gz")) if command[0] == "install" else []
            done = subprocess.run(["ansible-galaxy", "collection", *map(str, command + made)], capture_output=True, text=True, check=False,
                                  env=environment)
            if done.returncode:
                raise Fault(f"ansible-galaxy collection {command[0]}: {done.stdout}{done.stderr}")

    def _write_inventory(self) -> None:
        def host(name):
            reached = {"ansible_host": self[name].address}
            return {**reached, "ansible_user": ADMINISTRATOR} if self[name] == self.of_administrator else reached
        inventory = {f"mimicfleet_{group}": {"hosts": {name: host(name) for name in members}} for group, members in self.groups.items()}
        inventory["all"] = {"vars": self.variables}
        (self.folder / "inventory.json").write_text(json.dumps(inventory, indent=1), encoding="utf-8")

    def start(self) -> None:
        for host in self.hosts:
            host.start()
        for host in self.hosts:
            host.wait()
        self.hub.add_user(USER)
        self.of_administrator.add_user(ADMINISTRATOR)
        self.of_administrator.run("apt-get -q update && apt-get -q install --yes sudo")
        self.of_administrator.run(f"echo '{ADMINISTRATOR} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{ADMINISTRATOR}")

    def play(self, playbook: str, variables: dict | None = None, *options: str, expected: int = 0) -> str:
        """What ansible-playbook prints, with the lines of its recap."""
        self._write_inventory()
        number = len(list(self.folder.glob("play-*.log"))) + 1
        log = self.folder / f"play-{number}-{playbook}.log"
        command = ["ansible-playbook", f"mimicfleet.mimicfleet.{playbook}", "-i", self.folder / "inventory.json", "-e", json.dumps(variables or {}), *options]
        with log.open("w", encoding="utf-8") as file:  # no pipe, which Ansible's connections would keep open
            done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False,
                                  env={**os.environ, "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"), "LC_ALL": "C.UTF-8"})
        said = log.read_text(encoding="utf-8")
        if bool(done.returncode) != bool(expected):
            raise Fault(f"{playbook} ended with {done.returncode}; its log: {log}\n" + "\n".join(faults_of(said))[-3000:])
        return said

    def play_again(self) -> None:
        recap = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", self.play("site"), re.M)
        if {name for name, _ in recap} != {host.name for host in self.hosts}:
            raise Fault(f"the recap does not name all hosts: {recap}")
        if changed := [f"{name} changed={count}" for name, count in recap if count != "0"]:
            raise Fault(f"the second run changed something: {', '.join(changed)}; see the last play-*-site.log in {self.folder}")

    def services(self, host: hosts.Host) -> list[str]:
        return host.run(f"systemctl list-units --all --plain --no-legend --type=service '{OURS}' | cut -d' ' -f1").stdout.split()

    def starts(self) -> dict[tuple[str, str], str]:
        """When each service was started last, by host and unit."""
        return {(host.name, unit): host.run(f"systemctl show -P ActiveEnterTimestampMonotonic '{unit}'").stdout
                for host in self.hosts for unit in self.services(host)}

    def check_started_again(self, before: dict[tuple[str, str], str]) -> None:
        if same := [f"{host}: {unit}" for (host, unit), start in self.starts().items() if start == before[host, unit]]:
            raise Fault(f"not started again: {', '.join(same)}")

    def workers(self) -> list[dict]:
        return json.loads(self.hub.run("mimicfleet worker list --output-mode json", user=USER).stdout)["workers"]

    def ready_workers(self) -> list[str]:
        """The addresses of the hosts whose workers can take a task, one for each worker."""
        return sorted(host_of(worker["hello"]["name"]) for worker in self.workers() if worker["state"] == "ready")

    def wait_for_workers(self, *wanted: hosts.Host) -> None:
        """One worker for each of the hosts named; a host with two is named twice."""
        names = sorted(host.address for host in wanted)
        wait_for(f"workers of {', '.join(names)} alone are ready", lambda: self.ready_workers() == names, 120)

    def bring_clips(self) -> int:
        """Puts the shipped clips and a picture into the shared folder as the user; how many clips."""
        example = "/opt/mimicfleet/current/share/mimicfleet/examples"
        self.hub.run(f"umask 002 && mkdir {self.shared_on_hosts}/{USER} && cd {self.shared_on_hosts}/{USER} && cp -r {example}/words clips && "
                     f"cp {example}/references/portrait_0.png person.png", user=USER)
        return len(list((self.shared / USER / "clips").glob("*.mp4")))

    def submit(self, clips: str, output: str, *settings: str, expected: int = 0) -> None:
        done = self.hub.run(f"cd {self.shared_on_hosts}/{USER} && mimicfleet submit {clips} --ref-image person.png --output-dir {output} {SMALL} {' '.join(settings)}",
                            user=USER, check=False)
        if done.returncode != expected:
            raise Fault(f"submit to {output}: exit code {done.returncode}\n{done.stdout}{done.stderr}")

    def records(self, output: str) -> list[dict]:
        return [json.loads(path.read_text(encoding="utf-8")) for path in (self.shared / USER / output).glob("*.json")]

    def makers(self, output: str) -> set[str]:
        """The workers that had a part in the outputs."""
        return {record[kind] for record in self.records(output) for kind in ("encode_worker", "decode_worker")}

    def keep_journals(self) -> None:
        for host in self.hosts:
            journal = host.files / "var/log/journal"
            if not journal.is_dir():
                continue
            with (host.folder / "journal.log").open("w", encoding="utf-8") as file:
                subprocess.run(["journalctl", "--no-pager", "--directory", journal], stdout=file, stderr=file, check=False)

    def stop(self) -> None:
        self.keep_journals()
        for host in self.hosts:
            host.stop()


def host_of(worker: str) -> str:
    """The address of the host of a worker, which the role calls ADDRESS-DEVICE."""
    return worker.rsplit("-", 1)[0]


def faults_of(said: str) -> list[str]:
    """The lines of ansible-playbook's output that tell of a fault."""
    return re.findall(r"^(?:fatal|failed|ERROR).*$", said, re.M)
