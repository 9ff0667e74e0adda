"""A coordinator, two workers and a monitoring host: set up by the playbooks, used, and removed."""
import json
import pathlib
import re
import sys
import time

import grafana_stand_in
from faults import Fault, wait_for
from fleet import OURS, ROOT, SHARED, USER, Fleet, faults_of, host_of
from host_files import Snapshots

sys.path.append(str(ROOT / "tools" / "test_monitoring"))
SCRAPE = 15  # seconds, as monitoring/prometheus/prometheus.yml says


class Trial:
    """The steps, in order. Each raises Fault with what a person should mend."""

    def __init__(self, bundle: pathlib.Path, folder: pathlib.Path, made: pathlib.Path):
        self.fleet = Fleet(folder, made, {"coordinator": ["hub"], "workers": ["w1", "w2"], "monitoring": ["watch"]}, {
            "mimicfleet_bundle": str(bundle), "mimicfleet_models_from": "toy", "mimicfleet_prometheus_address": "0.0.0.0:9090",
            "mimicfleet_grafana_package": str(grafana_stand_in.make(folder))})
        self.hub, self.w1, self.w2, self.watch = self.fleet.hosts

    def start(self) -> None:
        self.fleet.start()
        # One that is there already stays.
        self.w1.run("apt-get -q install --yes --no-install-recommends prometheus-node-exporter")
        self.before = Snapshots(self.fleet.hosts)
        self.began = time.time()

    def stop(self) -> None:
        self.fleet.stop()

    def wrong_variables(self) -> None:
        self._refused({"mimicfleet_wroker_threads": 2}, r"no role of mimicfleet has the variable (mimicfleet_\w+)")
        self._refused({"mimicfleet_worker_drain_seconds": "long"}, r"argument '(mimicfleet_\w+)' is of type")
        self.before.compare()

    def _refused(self, wrong: dict, told: str) -> None:
        said = self.fleet.play("site", wrong, expected=2)
        refused = {name for line in faults_of(said) for name in re.findall(told, line)}
        if refused != set(wrong):
            raise Fault(f"site.yml does not name {', '.join(wrong)}, but {', '.join(sorted(refused)) or 'none'}")
        if changed := re.findall(r"^\S+ +: .*changed=[1-9].*$", said, re.M):
            raise Fault("site.yml changed hosts before it refused the variable:\n" + "\n".join(changed))

    def site(self) -> None:
        self.fleet.play("site")
        self.fleet.wait_for_workers(self.w1, self.w2)

    def units(self) -> None:
        for host in self.fleet.hosts:
            state = host.run("systemctl is-system-running", check=False).stdout.strip()
            if state != "running":
                raise Fault(f"{host.name} is {state}:\n{host.run('systemctl --failed --no-legend').stdout}")
            for unit in self.fleet.services(host):
                shown = host.run(f"systemctl show -P MemoryMax -P WatchdogUSec -P Type -P ActiveState '{unit}'").stdout.split()
                if "infinity" in shown or not {"notify", "active"} <= set(shown):
                    raise Fault(f"{host.name}: {unit}: memory or watchdog is without limit, or it is not active: {' '.join(shown)}")
        if not self.fleet.services(self.hub) or not self.fleet.services(self.w1):
            raise Fault("no unit of mimicfleet runs")

    def journal(self) -> None:
        levels = set()
        for host in self.fleet.hosts:
            if not self.fleet.services(host):
                continue
            if errors := host.run(f"journalctl --no-pager --quiet -p err -u '{OURS}'", check=False).stdout:
                raise Fault(f"{host.name}: errors in the journal:\n{errors}")
            for line in host.run(f"journalctl --no-pager --quiet -o json -u '{OURS}'").stdout.splitlines():
                entry = json.loads(line)
                if re.match(r"<\d>|\[?(info|warning|error|debug)\b|\d{4}-\d\d-\d\d", str(entry["MESSAGE"])):
                    raise Fault(f"{host.name}: a line of the journal has its level or time in the text: {entry['MESSAGE']}")
                if entry.get("_COMM") in ("coordinator", "worker"):
                    levels.add(entry["PRIORITY"])
        if not {"4", "6"} <= levels:  # the power cut is a warning
            raise Fault(f"lines of the programs have only the levels {sorted(levels)}")

    def videos(self) -> None:
        """As an ordinary user, out of and into the shared folder."""
        fleet = self.fleet
        wanted = fleet.bring_clips()
        fleet.submit("clips", "cold")
        if len(fleet.records("cold")) != wanted or wanted < 4:
            raise Fault(f"{len(fleet.records('cold'))} videos for {wanted} clips")
        if self._makers("cold") != {self.w1.address, self.w2.address}:
            raise Fault(f"not both workers had a part: {self._makers('cold')}")
        fleet.hub.run(f"mimicfleet verify {SHARED}/{USER}/cold", user=USER)
        fleet.submit("clips", "warm", "--seed 43")
        fleet.hub.run(f"rm -r {SHARED}/{USER}/warm", user=USER)

    def _makers(self, output: str) -> set[str]:
        return {host_of(worker) for worker in self.fleet.makers(output)}

    def dashboards(self) -> None:
        """Every target is up, and every expression of the dashboards has an answer."""
        import grafana
        import prometheus
        fleet = self.fleet
        server = prometheus.Prometheus(f"http://{self.watch.address}:9090")
        wanted = {"mimicfleet-coordinator": 1, "mimicfleet-workers": 2, "node": 4}
        wait_for("Prometheus finds all targets up",
                 lambda: server.targets() == {job: ["up"] * count for job, count in wanted.items()}, 90)
        self._jobs_of_all_kinds()
        shown = grafana.load(ROOT / "monitoring" / "grafana" / "dashboards")
        installed = grafana.load(self.watch.files / "var/lib/grafana/dashboards/mimicfleet")
        if [one.content for one in installed] != [one.content for one in shown]:
            raise Fault(f"the monitoring host has other dashboards: {', '.join(one.name for one in installed) or 'none'}")
        self.watch.run("systemctl is-active grafana-server && test -s /etc/grafana/provisioning/datasources/mimicfleet.yml")

        def faults() -> list[str]:
            # What needs a GPU or an alert is tested with samples by ./dev test-monitoring.
            return [fault for dashboard in shown
                    for fault in grafana.View(dashboard, server, self.began, time.time(), SCRAPE).check(
                        unless=lambda expr: "mimicfleet_device_" in expr or "(ALERTS" in expr and "vector(0)" not in expr)]
        try:
            wait_for("every expression has an answer", lambda: not faults(), 90)
        except Fault as fault:
            raise Fault(f"{fault}:\n" + "\n".join(faults())) from fault

    def _jobs_of_all_kinds(self) -> None:
        """One that fails, one that is cancelled, and one that goes on."""
        fleet = self.fleet
        (fleet.shared / f"{USER}/broken.mp4").write_bytes((fleet.shared / f"{USER}/clips/hello.mp4").read_bytes()[:4000])
        fleet.submit("broken.mp4", "broken", expected=1)
        fleet.submit("clips", "cancelled", "--seed 44", "--no-wait")
        fleet.hub.run("mimicfleet job cancel last", user=USER)
        fleet.submit("clips", "later", "--seed 45", "--no-wait")

    def power_cut(self) -> None:
        """A worker's host dies with work in its hands: the other one does it all; the host comes back, and its worker by itself."""
        fleet = self.fleet
        fleet.hub.run("mimicfleet job wait", user=USER)
        fleet.submit("clips", "cut", "--seed 46", "--no-wait")
        wait_for("w2 has a task", lambda: any(host_of(worker["hello"]["name"]) == self.w2.address and worker["running"] for worker in fleet.workers()))
        self.w2.cut_power()
        fleet.hub.run("mimicfleet job wait", user=USER)
        if self.w1.address not in self._makers("cut"):
            raise Fault(f"w1 did not go on: {self._makers('cut')}")
        fleet.wait_for_workers(self.w1)
        self.w2.start()
        self.w2.wait()
        fleet.wait_for_workers(self.w1, self.w2)
        fleet.submit("clips", "back", "--seed 47")
        if self._makers("back") != {self.w1.address, self.w2.address}:
            raise Fault(f"the worker that came back had no part: {self._makers('back')}")

    def restart(self) -> None:
        fleet = self.fleet
        before = fleet.starts()
        fleet.play("restart")
        fleet.check_started_again(before)
        self._one_after_the_other()
        fleet.wait_for_workers(self.w1, self.w2)
        fleet.submit("clips", "restarted", "--seed 48", "--limit 2")

    def _one_after_the_other(self) -> None:
        """A worker's host is touched when the one before is back."""
        def when(host, what: str) -> int:  # all hosts have one clock
            return int(host.run(f"systemctl show -P {what}TimestampMonotonic mimicfleet-worker@cpu").stdout)
        first, second = sorted((self.w1, self.w2), key=lambda host: when(host, "ActiveExit"))
        if when(second, "ActiveExit") < when(first, "ActiveEnter"):
            raise Fault(f"{second.name} was stopped before {first.name} was back")

    def uninstall(self) -> None:
        self.fleet.play("uninstall", {"mimicfleet_remove_state": True})
        if self.watch.run("pgrep -u grafana; getent passwd grafana", check=False).stdout:
            raise Fault("Grafana's service or account outlived its package")
        self.before.compare()

    STEPS = [("site.yml names variables that are wrong, and changes nothing", wrong_variables),
             ("site.yml", site),
             ("site.yml again changes nothing", lambda trial: trial.fleet.play_again()),
             ("units run within their limits", units),
             ("a user's clips become videos on both workers", videos),
             ("Prometheus finds all, the dashboards show all", dashboards),
             ("a worker's host dies and comes back", power_cut),
             ("restart.yml", restart),
             ("hosts and journals are without errors", lambda trial: (trial.units(), trial.journal())),
             ("uninstall.yml leaves nothing", uninstall)]
