"""A coordinator and two workers with the shipped toy models, and jobs of every kind for them."""
import csv
import json
import os
import pathlib
import subprocess

from prometheus import Fault, get, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIPS = ROOT / "examples" / "words"
REFERENCE = ROOT / "examples" / "references" / "portrait_0.png"
SMALL = ["--max-pose-frames", "8", "--steps", "3"]


class Fleet:
    def __init__(self, programs: pathlib.Path, folder: pathlib.Path):
        self.programs, self.folder = programs, folder
        self.processes: dict[str, subprocess.Popen] = {}
        home = folder / "home"
        home.mkdir()
        self.environment = {**os.environ, "HOME": str(home), "MIMICFLEET_LOG": "info"}
        self.environment.pop("MIMICFLEET_SERVER", None)
        self.endpoint = self.metrics_address = ""

    def start(self) -> None:
        folder = self.folder
        ready = self._start("coordinator", ["serve", "--listen", "tcp://127.0.0.1:*", "--metrics", "127.0.0.1:0",
                                            "--state-dir", str(folder / "state"), "--ready-fd", "1"], "coordinator")
        line = ready.stdout.readline()
        if not line:
            raise Fault(f"the coordinator does not start; its log: {folder / 'coordinator.log'}")
        said = json.loads(line)
        self.endpoint = said["endpoint"]
        self.metrics_address = said["metrics"]
        for name in ("w1", "w2"):
            self.start_worker(name)
        wait_for(f"both workers in /sd of the coordinator (logs in {folder})", lambda: len(self.discovered()) == 2)

    def start_worker(self, name: str) -> None:
        folder = self.folder / name
        self._start("worker", ["--coordinator", self.endpoint, "--models", str(ROOT / "models" / "puppet"), "--name", name,
                               "--device", "cpu", "--threads", "1", "--data-dir", str(folder / "data"),
                               "--feature-cache-dir", str(folder / "cache")], name)

    def _start(self, program: str, arguments: list[str], name: str) -> subprocess.Popen:
        log = (self.folder / f"{name}.log").open("a")
        self.processes[name] = subprocess.Popen(
            [self.programs / program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            text=True, env=self.environment, cwd=self.folder)
        return self.processes[name]

    def run(self, *arguments, expected: tuple[int, ...] = (0,)) -> str:
        """What a client's command prints."""
        done = subprocess.run([self.programs / "coordinator", *map(str, arguments), "--server", self.endpoint],
                              capture_output=True, text=True, env=self.environment, cwd=self.folder, check=False)
        if done.returncode not in expected:
            raise Fault(f"coordinator {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr}")
        return done.stdout

    def submit(self, clips, output: str, *settings, expected: tuple[int, ...] = (0,)) -> None:
        self.run("submit", clips, "--ref-image", REFERENCE, "--models", ROOT / "models" / "puppet", "--output-dir",
                 self.folder / output, *settings, expected=expected)

    def discovered(self) -> list[str]:
        """The endpoints of the workers' metrics, as Prometheus finds them."""
        return sorted(target for group in json.loads(get(f"http://{self.metrics_address}/sd"))
                      for target in group["targets"])

    def families(self) -> set[str]:
        """The names of all metrics of the programs."""
        found = set()
        for address in (self.metrics_address, *self.discovered()):
            for line in get(f"http://{address}/metrics").splitlines():
                if line.startswith("# TYPE "):
                    found.add(line.split()[2])
        return found

    def do_jobs(self) -> None:
        """Jobs that end: cold, warm, one that fails and one that is cancelled. Then a long one that goes on."""
        clips = self.folder / "clips"
        clips.mkdir()
        for clip in sorted(CLIPS.glob("*.mp4"))[:4]:
            (clips / clip.name).symlink_to(clip)
        self.submit(clips, "cold", *SMALL)
        self.submit(clips, "warm", *SMALL, "--seed", "43")
        nobody = self.folder / "nobody.mp4"
        subprocess.run(["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "color=black:s=144x256:r=25:d=0.5",
                        str(nobody)], check=True, stdin=subprocess.DEVNULL)
        self.submit(nobody, "failing", *SMALL, expected=(1,))
        self.submit(clips, "cancelled", *SMALL, "--seed", "44", "--no-wait")
        self.run("job", "cancel", "last")
        self.submit(self._manifest(40), "running", *SMALL, "--no-wait")

    def _manifest(self, count: int) -> pathlib.Path:
        path = self.folder / "many.csv"
        clips = sorted(CLIPS.glob("*.mp4"))
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["video", "output", "seed"])
            for number in range(count):
                clip = clips[number % len(clips)]
                writer.writerow([os.path.relpath(clip, self.folder), f"{clip.stem}_{number}", 100 + number])
        return path

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
