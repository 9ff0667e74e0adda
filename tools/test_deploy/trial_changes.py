"""A coordinator and a host with two workers, on which something is changed: models, devices, a part of the fleet only, the release, the shared folder."""
import hashlib
import os
import pathlib
import re
import shutil

import nfs_stand_in
import releases
from faults import Fault, wait_for
from fleet import ROOT, SHARED, USER, Fleet, faults_of
from host_files import Snapshots

MODELS = "/srv/mimicfleet-models"
GROUP = 785
# A worker on a GPU that is none, so that a host has two.
ON_CPU = """[Service]
ExecStart=
ExecStart=/opt/mimicfleet/current/bin/worker --config /etc/mimicfleet/worker.toml --config /etc/mimicfleet/worker@%i.toml --device cpu
"""
RUNNING = "readlink /proc/$(systemctl show -P MainPID {unit})/exe"


class Trial:
    def __init__(self, bundle: pathlib.Path, folder: pathlib.Path, made: pathlib.Path):
        self.folder = folder
        self.models, self.sums = folder / "models", folder / "models.sha256"
        shutil.copytree(ROOT / "models/puppet", self.models)
        self.old, self.new = releases.make(bundle, folder, "1.0.0"), releases.make(bundle, folder, "1.1.0")
        self.fleet = Fleet(folder, made, {"coordinator": ["hub"], "workers": ["w1"], "monitoring": []}, {
            "mimicfleet_bundle": str(self.old), "mimicfleet_models_from": "rsync", "mimicfleet_models": MODELS,
            "mimicfleet_models_source": str(self.models), "mimicfleet_models_sha256sums": str(self.sums), "mimicfleet_node_exporter": False,
            "ansible_ssh_common_args": "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no",
            "mimicfleet_shared_folder": "/srv/fleet", "mimicfleet_shared_folder_nfs": "fileserver:/export/one",
            "mimicfleet_worker_devices": ["cpu", "cuda:0"], "mimicfleet_worker_memory_max": None}, shared="/srv/fleet")
        self.hub, self.w1 = self.fleet.hosts
        self.server = self.fleet.shared  # the file server's disk
        for name in ("one", "two"):
            (self.server / name).mkdir()
            os.chown(self.server / name, 0, GROUP)
            (self.server / name).chmod(0o2770)
        self.fleet.shared = self.server / "one"

    def start(self) -> None:
        self.fleet.start()
        shutil.copy(nfs_stand_in.make(self.folder), self.server)
        for host in self.fleet.hosts:
            host.run(f"dpkg --install {SHARED}/*.deb")
        self.w1.write("etc/systemd/system/mimicfleet-worker@cuda:0.service.d/test.conf", ON_CPU)
        self.before = Snapshots(self.fleet.hosts)

    def stop(self) -> None:
        self.fleet.stop()

    def _write_sums(self, wrong: str = "") -> None:
        lines = []
        for path in sorted(path for path in self.models.rglob("*") if path.is_file()):
            name = str(path.relative_to(self.models))
            digest = "0" * 64 if name == wrong else hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {name}\n")
        self.sums.write_text("".join(lines), encoding="utf-8")

    def _a_model(self) -> str:
        return str(min(path.relative_to(self.models) for path in self.models.rglob("*") if path.is_file()))

    def _refused(self, *told: str) -> None:
        said = "\n".join(faults_of(self.fleet.play("site", expected=2)))
        if missing := [text for text in told if text not in said]:
            raise Fault(f"site.yml does not say {' and '.join(missing)}:\n{said[-2000:]}")

    def wrong_models_here(self) -> None:
        self._write_sums(wrong=self._a_model())
        self._refused(f"{self._a_model()}: FAILED", str(self.sums), "Nothing was copied")
        self.w1.run(f"test ! -e {MODELS}")

    def site(self) -> None:
        self._write_sums()
        self.fleet.play("site")
        self._wait_for_both()
        names = {worker["hello"]["name"] for worker in self.fleet.workers()}
        if names != {f"{self.w1.address}-cpu", f"{self.w1.address}-cuda:0"}:
            raise Fault(f"the workers are {', '.join(sorted(names))}")
        memory = int(self.w1.run("awk '/MemTotal/ {print $2}' /proc/meminfo").stdout) * 1024
        for unit in self.fleet.services(self.w1):
            if (limit := int(self.w1.run(f"systemctl show -P MemoryMax '{unit}'").stdout)) > memory / 2:
                raise Fault(f"{unit}, one of two, may take {limit} of {memory} bytes")

    def _wait_for_both(self) -> None:
        self.fleet.wait_for_workers(self.w1, self.w1)

    def videos(self) -> None:
        self.fleet.bring_clips()
        self.fleet.submit("clips", "made")
        if len(makers := self.fleet.makers("made")) != 2:
            raise Fault(f"not both workers had a part, but {', '.join(makers)}")

    def damaged_models_there(self) -> None:
        """Of the same size and time, which rsync does not see. What runs goes on."""
        model, before = f"{MODELS}/{self._a_model()}", self.fleet.starts()
        self.w1.run(f"touch -r {model} /tmp/time && printf x | dd of={model} conv=notrunc status=none && touch -r /tmp/time {model}")
        self.fleet.variables["mimicfleet_worker_settings"] = {"threads": 2}
        self._refused(f"{self._a_model()}: FAILED", MODELS, "Delete there what is named")
        if self.fleet.starts() != before:
            raise Fault("a service was started again")
        self.w1.run(f"rm {model}")

    def one_host_only(self) -> None:
        """Also what the error said to do."""
        before = self.fleet.starts()
        self.fleet.play("site", None, "--limit", "w1")
        self._wait_for_both()
        again = {key for key, start in self.fleet.starts().items() if start != before[key]}
        if again != {("w1", unit) for unit in self.fleet.services(self.w1)}:
            raise Fault(f"started again were: {', '.join(f'{unit} of {host}' for host, unit in sorted(again)) or 'none'}")

    def restart_in_vain(self) -> None:
        """Of workers whose settings have become wrong."""
        settings = "/etc/mimicfleet/worker.toml"
        self.w1.run(f"cp {settings} /tmp/right.toml && echo 'nonsense = 1' >> {settings}")
        said = "\n".join(faults_of(self.fleet.play("restart", expected=2)))
        if not re.search(r"the worker on (cpu|cuda:0) is not ready: .*its last lines: .*nonsense", said):
            raise Fault(f"restart.yml does not say why a worker is not ready:\n{said[-2000:]}")
        self.w1.run(f"cp /tmp/right.toml {settings}")

    def restart(self) -> None:
        before = self.fleet.starts()
        self.fleet.play("restart")
        self._wait_for_both()
        self.fleet.check_started_again(before)
        self._drained_together()

    def _drained_together(self) -> None:
        """Each began to stop before the other had ended."""
        shown = {unit: dict(line.split("=") for line in self.w1.run(
            f"systemctl show -p ActiveExitTimestampMonotonic -p InactiveEnterTimestampMonotonic '{unit}'").stdout.split())
                 for unit in self.fleet.services(self.w1)}
        if max(int(times["ActiveExitTimestampMonotonic"]) for times in shown.values()) > \
                min(int(times["InactiveEnterTimestampMonotonic"]) for times in shown.values()):
            raise Fault(f"the workers of a host drained one after the other: {shown}")

    def _releases(self, running: str) -> None:
        for host in self.fleet.hosts:
            there = sorted(re.sub("-cuda-.*", "", name) for name in host.run("ls /opt/mimicfleet/releases").stdout.split())
            if there != ["1.0.0", "1.1.0"]:
                raise Fault(f"{host.name} has the releases {', '.join(there)}")
            for unit in self.fleet.services(host):
                if f"/releases/{running}-cuda-" not in (seen := host.run(RUNNING.format(unit=f"'{unit}'")).stdout):
                    raise Fault(f"{host.name}: {unit} runs {seen}")

    def upgrade(self) -> None:
        """With work under way, of which nothing is lost."""
        self.fleet.submit("clips", "upgraded", "--seed 50", "--no-wait")
        wait_for("a worker has a task", lambda: any(worker["running"] for worker in self.fleet.workers()))
        self.fleet.variables["mimicfleet_bundle"] = str(self.new)
        self.fleet.play("site")
        self._drained_together()
        self.fleet.hub.run("mimicfleet job wait", user=USER)
        self._wait_for_both()
        self._releases("1.1.0")

    def back_and_another_export(self) -> None:
        self.fleet.variables |= {"mimicfleet_bundle": str(self.old), "mimicfleet_shared_folder_nfs": "fileserver:/export/two"}
        self.fleet.play("site")
        self._wait_for_both()
        self._releases("1.0.0")
        self.fleet.shared = self.server / "two"
        self.fleet.bring_clips()
        self.fleet.submit("clips", "made", "--seed 51 --limit 2")

    def uninstall(self) -> None:
        self.fleet.play("uninstall", {"mimicfleet_remove_state": True})
        self.before.compare()
        self.w1.run(f"! grep -q ' /srv/fleet ' /proc/mounts && test -s {MODELS}/{self._a_model()}")

    STEPS = [("models that are not those of the list are not copied", wrong_models_here),
             ("site.yml: models by rsync, an NFS export, two workers on a host", site),
             ("site.yml again changes nothing", lambda trial: trial.fleet.play_again()),
             ("a user's clips become videos on both workers", videos),
             ("models that were damaged on a host are told, and nothing is restarted", damaged_models_there),
             ("--limit changes that host only", one_host_only),
             ("restart.yml says why workers do not come back", restart_in_vain),
             ("restart.yml", restart),
             ("another release, while a job runs", upgrade),
             ("the old release and another export", back_and_another_export),
             ("uninstall.yml leaves nothing", uninstall)]
