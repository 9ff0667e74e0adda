"""A Prometheus: one that is started for a test, and questions to any."""
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request


class Fault(Exception):
    """What a person should read and mend."""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def wait_for(what: str, holds, seconds: float = 120):
    """The first value of holds() that is true; asks again until then."""
    end = time.monotonic() + seconds
    while True:
        try:
            value = holds()
        except (urllib.error.URLError, ConnectionError, Fault):
            value = None
        if value:
            return value
        if time.monotonic() > end:
            raise Fault(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)


class Prometheus:
    def __init__(self, url: str):
        self.url = url.rstrip("/")

    def ask(self, path: str, **parameters):
        query = urllib.parse.urlencode([(name.rstrip("_"), value) for name, value in parameters.items()
                                        if value is not None])
        try:
            answer = json.loads(get(f"{self.url}/api/v1/{path}?{query}"))
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            if not said.startswith("{"):  # "Service Unavailable" while it starts
                raise Fault(f"{self.url}: {error.code}: {said.strip()}") from None
            answer = json.loads(said)
        if answer["status"] != "success":
            raise Fault(answer.get("error", "no reason given"))
        return answer["data"]

    def instant(self, expr: str, at: float) -> list[dict]:
        """Series as {labels, times, values}, one value each."""
        data = self.ask("query", query=expr, time=at)
        if data["resultType"] == "scalar":
            return [_series({}, [data["result"]])]
        return [_series(found["metric"], [found["value"]]) for found in data["result"]]

    def range(self, expr: str, start: float, end: float, step: float) -> list[dict]:
        data = self.ask("query_range", query=expr, start=start, end=end, step=step)
        return [_series(found["metric"], found["values"]) for found in data["result"]]

    def label_values(self, label: str, series: str | None, start: float, end: float) -> list[str]:
        return self.ask(f"label/{label}/values", match=None, start=start, end=end, **({"match[]": series} if series else {}))

    def alerts(self) -> dict[str, str]:
        """pending or firing, by the names of the alerts that are."""
        found = sorted((alert["labels"]["alertname"], alert["state"]) for alert in self.ask("alerts")["alerts"])
        return dict(reversed(found))  # firing before pending

    def targets(self) -> dict[str, list[str]]:
        """The health of the targets of each job."""
        found: dict[str, list[str]] = {}
        for target in self.ask("targets")["activeTargets"]:
            found.setdefault(target["labels"]["job"], []).append(target["health"])
        return found


def _series(labels: dict, samples: list) -> dict:
    return {"labels": labels, "times": [float(when) for when, _ in samples],
            "values": [float(value) for _, value in samples]}


def start(config: pathlib.Path, folder: pathlib.Path, processes: list) -> Prometheus:
    """Its data lies below `folder`; the process is added to `processes`."""
    port = free_port()
    log = (folder / "prometheus.log").open("w")
    processes.append(subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=10y", "--log.level=warn"],
        stdout=log, stderr=log, env={**os.environ}))
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    wait_for(f"Prometheus (its log: {folder / 'prometheus.log'})", lambda: prometheus.ask("status/runtimeinfo"), 60)
    return prometheus


def with_samples(samples: pathlib.Path, folder: pathlib.Path, processes: list) -> Prometheus:
    """A Prometheus that has the samples of an OpenMetrics file."""
    folder.mkdir()
    made = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", str(samples), str(folder / "data")],
                          capture_output=True, text=True, check=False)
    if made.returncode:
        raise Fault(f"{samples}: {made.stdout}{made.stderr}")
    config = folder / "prometheus.yml"
    config.write_text("global: {}\n")
    return start(config, folder, processes)
