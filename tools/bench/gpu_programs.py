"""Runs of the programs for the GPU benchmark: a coordinator with resident workers, submissions to it, what records and logs say."""
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import struct
import subprocess
import time
import zlib


class Failed(Exception):
    """A program that did not do its work, with the end of what it said."""


def take_lines(command: list, env: dict, log: pathlib.Path, seconds: float, take) -> bool:
    """Runs a program that prints JSON objects, a line each, and gives each to `take` as it comes. When the seconds are over the program is stopped with all that it
    started, and the answer is False; one that fails is Failed with the end of what it said. Other lines are passed over."""
    deadline = time.monotonic() + seconds
    pending = b""
    with open(log, "w") as errors:
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=errors, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **env), process_group=0)
    try:
        while select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            content = os.read(process.stdout.fileno(), 1 << 16)
            *lines, pending = (pending + content).split(b"\n")
            for line in lines:
                if line.startswith(b"{"):
                    take(json.loads(line))
            if not content:
                process.wait(timeout=30)
                break
        else:
            return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
    if process.returncode != 0:
        raise Failed(log.read_text()[-2500:])
    return True


class Programs:
    """The programs below `root`, and how they are started: `prefix` sets their libraries where they are not installed."""

    def __init__(self, root: pathlib.Path, prefix: list, work: pathlib.Path):
        self.root, self.prefix, self.work = root, prefix, work

    def command(self, name: str, *arguments) -> list:
        return [*self.prefix, str(self.root / name), *(str(argument) for argument in arguments)]

    def run(self, name: str, *arguments, env: dict | None = None, seconds: float = 600, check: bool = True) -> tuple[float, subprocess.CompletedProcess]:
        begin = time.perf_counter()
        done = subprocess.run(self.command(name, *arguments), capture_output=True, text=True, env=dict(os.environ, **(env or {})), timeout=seconds)
        wall = time.perf_counter() - begin
        if check and done.returncode != 0:
            raise Failed(f"{name} {arguments[0] if arguments else ''} ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
        return wall, done

    @contextlib.contextmanager
    def cluster(self, name: str, models: pathlib.Path, devices: list, precision: str = "auto"):
        """A server with one resident worker for each device. Gives an object whose submit() measures."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        read_end, write_end = os.pipe()
        processes = [subprocess.Popen(self.command("bin/coordinator", "serve", "--listen", "tcp://127.0.0.1:*", "--state-dir", folder / "state", "--metrics", "127.0.0.1:0",
                                                   "--no-discovery", "--ready-fd", write_end), pass_fds=[write_end], stdout=subprocess.DEVNULL,
                                      stderr=open(folder / "coordinator.log", "w"))]
        os.close(write_end)
        try:
            with os.fdopen(read_end) as pipe:
                endpoint = json.loads(pipe.readline())["endpoint"]
            for number, device in enumerate(devices):
                processes.append(subprocess.Popen(self.command("bin/worker", "--coordinator", endpoint, "--models", models, "--device", device, "--precision", precision,
                                                               "--name", f"worker-{number}", "--metrics", "off", "--data-dir", folder / f"data-{number}",
                                                               "--feature-cache-dir", ""), stdout=subprocess.DEVNULL, stderr=open(folder / f"worker-{number}.log", "w")))
            cluster = Cluster(self, endpoint, folder, len(devices))
            cluster.wait_until_ready(processes[1:])
            yield cluster
        finally:
            for process in reversed(processes):
                process.terminate()
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=20)
                if process.poll() is None:
                    process.kill()


class Cluster:
    def __init__(self, programs: Programs, endpoint: str, folder: pathlib.Path, workers: int):
        self.programs, self.endpoint, self.folder, self.workers, self.runs = programs, endpoint, folder, workers, 0

    def wait_until_ready(self, workers: list, patience: float = 180) -> None:
        """Until every worker has its models in memory."""
        begin = time.monotonic()
        while True:
            _, listed = self.programs.run("bin/coordinator", "worker", "list", "--server", self.endpoint, "--output-mode", "json", check=False)
            known = json.loads(listed.stdout)["workers"] if listed.returncode == 0 else []
            if sum(bool(worker["hello"]["model_sets"]) for worker in known) == len(workers):
                return
            if any(worker.poll() is not None for worker in workers) or time.monotonic() - begin > patience:
                raise Failed("a worker did not get ready: " + "\n".join(self.log(number)[-1500:] for number in range(len(workers))))
            time.sleep(0.3)

    def submit(self, clips: list, reference: pathlib.Path, *flags, seconds: float = 600) -> dict:
        """One submission, from the client's start to its end. Seconds of each stage summed over its videos."""
        self.runs += 1
        output = self.folder / f"out-{self.runs}"
        before = self.begun_beside()
        wall, _ = self.programs.run("bin/coordinator", "submit", *clips, "--server", self.endpoint, "--ref-image", reference, "--output-dir", output, "--disable-feature-cache",
                                    *flags, seconds=seconds)
        return {"whole": wall, **read_records(output), "memory": self.memory(), "beside": self.begun_beside() - before}

    def log(self, number: int = 0) -> str:
        path = self.folder / f"worker-{number}.log"
        return path.read_text() if path.exists() else ""

    def begun_beside(self) -> int:
        """How many clips the workers prepared while another one was sampled or decoded."""
        return sum(self.log(number).count("conditioning overlapped with another task") for number in range(self.workers))

    def memory(self) -> list:
        """What the workers said of the GPU's memory, the last of each kind of task."""
        lines = [line.split("] ", 1)[-1] for line in self.log().splitlines() if "of the GPU's memory" in line]
        return list({line.split(" ", 1)[0]: line for line in lines}.values())


@contextlib.contextmanager
def busy_share():
    """Gives a function that tells, at the end, the mean share of the time in which the GPU ran a kernel, as nvidia-smi sees it; None without it."""
    if not shutil.which("nvidia-smi"):
        yield lambda: None
        return
    process = subprocess.Popen(["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=200", "--id=0"], stdout=subprocess.PIPE, text=True)
    samples: list = []
    try:
        yield lambda: sum(samples) / len(samples) / 100 if samples else None
    finally:
        process.terminate()
        samples += [float(line) for line in process.communicate()[0].splitlines() if line.strip().isdigit()]


def read_records(output: pathlib.Path) -> dict:
    stages: dict = {}
    videos = frames = evaluations = 0
    workers, digests = set(), set()
    for path in sorted(output.glob("*.json")):
        record = json.loads(path.read_text())
        videos += 1
        frames += record["frames"]
        evaluations += record["unet_evaluations"]
        digests.add(record["video"]["digest"])
        workers |= {record["encode_worker"], record["decode_worker"]}
        for timing in record["stages"]:
            stages[timing["stage"]] = stages.get(timing["stage"], 0.0) + timing["seconds"]
    return {"videos": videos, "frames": frames, "unet_evaluations": evaluations, "workers": sorted(workers), "digests": sorted(digests), "stages": stages}


def read_png(path: pathlib.Path):
    """The pictures that --save-frames writes: 8 bits of red, green and blue, rows as they are, or as differences to the left or up."""
    import numpy

    content, at, data = path.read_bytes(), 8, b""
    width = height = 0
    while at < len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + 8 + size]
        at += 12 + size
        if kind == b"IHDR":
            width, height = struct.unpack(">II", body[:8])
        elif kind == b"IDAT":
            data += body
    rows = numpy.frombuffer(zlib.decompress(data), numpy.uint8).reshape(height, 1 + 3 * width)
    pixels = numpy.zeros((height, width, 3), numpy.uint8)
    for y in range(height):
        row = rows[y, 1:].reshape(width, 3)
        if rows[y, 0] == 1:
            pixels[y] = numpy.cumsum(row, 0, dtype=numpy.uint8)
        elif rows[y, 0] == 2 and y > 0:
            pixels[y] = row + pixels[y - 1]
        else:
            pixels[y] = row
    return pixels
