"""One host that is coordinator, worker and monitoring, and runs Ansible itself with the roles of the bundle and the inventory one_box."""
import json
import pathlib
import re

import hosts
from faults import Fault, wait_for
from fleet import ROOT, SMALL, USER
from host_files import Snapshots

BUNDLES = "/mnt/bundle"
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"
# State that stays unless it is to go, and whose it is while the fleet is there.
KEPT = {"/var/lib/mimicfleet": "mimicfleet-coordinator", "/var/lib/prometheus/metrics2": "prometheus"}
WANTED = {"mimicfleet-coordinator": ["up"], "mimicfleet-workers": ["up"], "node": ["up"]}


class Trial:
    def __init__(self, bundle: pathlib.Path, folder: pathlib.Path, made: pathlib.Path):
        hosts.make_key(folder / "key")
        hosts.make_network()
        self.folder, self.bundle = folder, f"{BUNDLES}/{bundle.name}"
        self.box = hosts.Host("box", 1, made / "root", folder, {made / "packages": "/mnt/packages", bundle.parent: BUNDLES})

    def start(self) -> None:
        self.box.start()
        self.box.wait()
        self.box.add_user(USER)
        self._get_ansible()
        self.before = Snapshots([self.box])

    def stop(self) -> None:
        self.box.stop()

    def _get_ansible(self) -> None:
        """As docs/deploy.md says; then the lines of the inventory that are to be changed."""
        self.box.run("apt-get -q update && apt-get -q install --yes --no-install-recommends ansible-core zstd rsync")
        self.box.run(f"tar xf {self.bundle} --wildcards '*/share/mimicfleet/ansible' && cp -r mimicfleet-*/share/mimicfleet/ansible fleet && rm -r mimicfleet-*")
        self.box.run(f"sed -i -e 's|^mimicfleet_bundle: .*|mimicfleet_bundle: {self.bundle}|' -e 's|^mimicfleet_users: .*|mimicfleet_users: [{USER}]|' "
                     "fleet/inventories/one_box/group_vars/all.yml")

    def play(self, playbook: str, *options: str) -> str:
        done = self.box.run(f"cd fleet && ansible-playbook -i inventories/one_box playbooks/{playbook}.yml {' '.join(options)}", check=False, seconds=1200)
        log = self.folder / f"play-{len(list(self.folder.glob('play-*.log'))) + 1}-{playbook}.log"
        log.write_text(done.stdout + done.stderr, encoding="utf-8")
        if done.returncode:
            raise Fault(f"{playbook} ended with {done.returncode}; its log: {log}\n{done.stdout[-3000:]}{done.stderr}")
        return done.stdout

    def site_again(self) -> None:
        if not re.search(r"^localhost +: ok=\d+ +changed=0 ", said := self.play("site"), re.M):
            raise Fault(f"the second run changed something:\n{said[-1000:]}")

    def videos(self, program: str = "mimicfleet", *options: str) -> None:
        examples = "/opt/mimicfleet/current/share/mimicfleet/examples"
        self.box.run(f"umask 002 && mkdir /srv/mimicfleet/{USER} && cd /srv/mimicfleet/{USER} && cp -r {examples} . && {program} submit examples/words "
                     f"--ref-image examples/references/portrait_0.png --output-dir made --limit 2 {SMALL} {' '.join(options)} && {program} verify made", user=USER)

    def targets(self) -> None:
        def seen() -> dict[str, list[str]]:
            found: dict[str, list[str]] = {}
            answer = self.box.run(f'python3 -c "{ASK}" http://127.0.0.1:9090/api/v1/targets').stdout
            for target in json.loads(answer)["data"]["activeTargets"]:
                found.setdefault(target["labels"]["job"], []).append(target["health"])
            return found
        wait_for("Prometheus finds all targets up", lambda: seen() == WANTED, 90)

    def jobs(self) -> list[int]:
        return [job["number"] for job in json.loads(self.box.run("mimicfleet job list --output-mode json", user=USER).stdout)["jobs"]]

    def keep_state(self) -> None:
        """What stays is root's: a number that is free may become somebody's."""
        self.known = self.jobs()
        self.play("uninstall", "-e mimicfleet_remove_state=no")
        if self.box.run("getent passwd mimicfleet-coordinator mimicfleet-worker; systemctl list-unit-files --no-legend 'mimicfleet-*'", check=False).stdout:
            raise Fault("accounts or units of the fleet are still there")
        if empty := [folder for folder in KEPT if not self.box.run(f"ls -A {folder}").stdout]:
            raise Fault(f"nothing stayed in {', '.join(empty)}")
        if others := self.box.run(f"find {' '.join(KEPT)} ! -user root -o ! -group root").stdout:
            raise Fault(f"this stayed and is not root's:\n{others[:1000]}")

    def install_again(self) -> None:
        self.play("site")
        if (now := self.jobs()) != self.known:
            raise Fault(f"the jobs are {now}, and were {self.known}")
        for folder, owner in KEPT.items():
            if others := self.box.run(f"find {folder} ! -user {owner}", check=False).stdout:
                raise Fault(f"this is not {owner}'s:\n{others[:1000]}")
        self.targets()

    def uninstall(self) -> None:
        self.play("uninstall", "-e mimicfleet_remove_state=yes")
        self.before.compare()

    def by_hand(self) -> None:
        """What docs/deploy.md says for hosts without Ansible, as it stands there, but for names and models."""
        name = self.bundle.rsplit("/", 1)[1].removesuffix(".tar.zst")
        self.box.run(f"rm -r /srv/mimicfleet/{USER} && tar xf {self.bundle}")
        section = (ROOT / "docs/deploy.md").read_text(encoding="utf-8").split("\n## Without Ansible\n")[1].split("\n## ")[0]
        section = re.sub(r"mimicfleet-[\d.]+-linux-x86_64", name, section).replace("head:", "127.0.0.1:")
        texts = re.split(r"^```", section, flags=re.M)
        written = 0
        for before, block in zip(texts[::2], texts[1::2]):
            kind, content = block.split("\n", 1)
            if kind == "toml":
                file = re.search(r"`(/etc/mimicfleet/\S+\.toml)`", before)[1]
                self.box.write(file[1:], re.sub("(?m)^models = .*\n", "", content))
                self.box.run(f"chmod 644 {file}")
                written += 1
            elif kind == "":
                self.box.run("set -e\n" + content)
        if written != 3:
            raise Fault(f"docs/deploy.md shows {written} files of settings")
        server = "--server tcp://127.0.0.1:5555"
        program = "/opt/mimicfleet/current/bin/coordinator"
        wait_for("the worker is ready", lambda: '"ready"' in self.box.run(f"{program} worker list --output-mode json {server}").stdout, 120)
        wait_for("anybody can read the list of workers",
                 lambda: ":9465" in self.box.run("runuser -u nobody -- cat /run/mimicfleet/workers.json").stdout)
        self.videos(program, server)

    STEPS = [("site.yml", lambda trial: trial.play("site")),
             ("site.yml again changes nothing", site_again),
             ("a user's clips become videos", videos),
             ("Prometheus finds all", targets),
             ("uninstall.yml keeps the state if told so", keep_state),
             ("site.yml takes it up again", install_again),
             ("uninstall.yml leaves nothing", uninstall),
             ("what docs/deploy.md says for hosts without Ansible", by_hand)]
