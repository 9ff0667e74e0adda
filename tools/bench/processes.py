"""Runs commands and measures them from outside: wall and CPU time, memory, and how soon programs answer."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

SAMPLE_SECONDS = 0.25  # a look walks the page tables of the process and stops it meanwhile
PATIENCE_SECONDS = 60


def tree_bytes(pid: int) -> int:
    """Proportional set size of a process and all its descendants."""
    total, todo = 0, [pid]
    while todo:
        current = todo.pop()
        try:
            with open(f"/proc/{current}/smaps_rollup") as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) * 1024
            for task in os.listdir(f"/proc/{current}/task"):
                with open(f"/proc/{current}/task/{task}/children") as children:
                    todo += [int(child) for child in children.read().split()]
        except (OSError, ValueError):
            pass  # it has just ended
    return total


def children_cpu_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def run(command: list, env: dict) -> dict:
    """Wall and CPU seconds of a command with its descendants, peak bytes of the tree, stdout. Ends the bench if it fails."""
    peak = 0
    cpu = children_cpu_seconds()
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([str(word) for word in command], env=env, stdout=subprocess.PIPE, stderr=errors, text=True)

        def sample() -> None:
            nonlocal peak
            while process.returncode is None:
                peak = max(peak, tree_bytes(process.pid))
                time.sleep(SAMPLE_SECONDS)

        sampler = threading.Thread(target=sample)
        sampler.start()
        out, _ = process.communicate()
        wall = time.perf_counter() - begin
        sampler.join()
        if process.returncode != 0:
            errors.seek(0)
            sys.exit(f"bench: {command[0]} failed ({process.returncode}):\n{errors.read()[-4000:]}")
    return {"whole": wall, "cpu": children_cpu_seconds() - cpu, "peak": peak, "out": out}


def help_seconds(program: pathlib.Path, repeat: int) -> float:
    """From the start of `program --help` to its end, the best of several: what the machine was busy with does not count."""
    walls = []
    for _ in range(repeat):
        begin = time.perf_counter()
        subprocess.run([program, "--help"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        walls.append(time.perf_counter() - begin)
    return min(walls)


def workers_by_state(metrics_address: str) -> dict:
    """What the coordinator's own metrics say of its workers."""
    with urllib.request.urlopen(f"http://{metrics_address}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    counts = {}
    for line in lines:
        if line.startswith("mimicfleet_workers{"):
            counts[line.split('state="')[1].split('"')[0]] = float(line.rsplit(" ", 1)[1])
    return counts


def first_heartbeat_seconds(build: pathlib.Path, models: pathlib.Path) -> float:
    """From the start of a worker to the coordinator's counting it, whatever it still has to load."""
    read_end, write_end = os.pipe()
    with tempfile.TemporaryDirectory() as scratch:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen([build / "bin/coordinator", "serve", "--listen", "tcp://127.0.0.1:*", "--state-dir", f"{scratch}/state",
                                   "--metrics", "127.0.0.1:0", "--no-discovery", "--ready-fd", str(write_end)], pass_fds=[write_end], **quiet)
        os.close(write_end)
        with os.fdopen(read_end) as ready_pipe:
            ready = json.loads(ready_pipe.readline())
        begin = time.perf_counter()
        worker = subprocess.Popen([build / "bin/worker", "--coordinator", ready["endpoint"], "--models", models, "--device", "cpu", "--metrics", "off",
                                   "--data-dir", f"{scratch}/data", "--feature-cache-dir", f"{scratch}/cache"], **quiet)
        try:
            while not any(workers_by_state(ready["metrics"]).values()):
                if worker.poll() is not None or time.perf_counter() - begin > PATIENCE_SECONDS:
                    sys.exit("bench: the worker did not reach its coordinator")
                time.sleep(0.002)
            return time.perf_counter() - begin
        finally:
            for process in (worker, server):
                process.terminate()
                process.wait()


def start_up(build: pathlib.Path, models: pathlib.Path) -> dict:
    return {"coordinator --help": help_seconds(build / "bin/coordinator", 10), "worker --help": help_seconds(build / "bin/worker", 10),
            "first heartbeat": statistics.median(first_heartbeat_seconds(build, models) for _ in range(3))}
