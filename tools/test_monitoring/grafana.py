"""What Grafana would make of the dashboards: variables, expressions, and whether the files hold together."""
import itertools
import json
import math
import pathlib
import re

from prometheus import Fault, Prometheus

UNITS = {"none", "s", "bytes", "Bps", "percentunit", "ops", "celsius", "watt"}
SUFFIXES = {"_seconds": "s", "_bytes": "bytes", "_ratio": "percentunit", "_celsius": "celsius", "_watts": "watt"}
METRIC = re.compile(r"\b(?:mimicfleet|process|node)_[a-z0-9_]+|\bmimicfleet:[a-z0-9_:]+|\bALERTS\b|\bup\b")
VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)")


class Dashboard:
    def __init__(self, path: pathlib.Path):
        self.path = path
        self.content = json.loads(path.read_text(encoding="utf-8"))
        self.name = path.stem
        self.panels = self.content["panels"]
        self.variables = self.content["templating"]["list"]

    def expressions(self) -> list[tuple[str, str]]:
        """(where, expression) of all panels, variables and annotations."""
        found = [(f"{panel['title']} {target['refId']}", target["expr"])
                 for panel in self.panels for target in panel.get("targets", [])]
        found += [(f"${variable['name']}", variable["definition"]) for variable in self.variables
                  if variable["type"] == "query"]
        return found + [(mark["name"], mark["expr"]) for mark in self.content["annotations"]["list"]]


def load(folder: pathlib.Path) -> list[Dashboard]:
    return [Dashboard(path) for path in sorted(folder.glob("*.json"))]


def metrics_in(expr: str) -> set[str]:
    return set(METRIC.findall(re.sub(r'"[^"]*"', '""', expr)))


def family(metric: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", metric)


def _quantity(expr: str) -> str | None:
    """The unit of what an expression without a division comes to; None when it cannot be told."""
    if re.match(r"(count|changes)\b", expr) or re.match(r"max by \(state\)", expr):
        return "none"
    units = set()
    for metric in metrics_in(expr):
        name = re.sub(r"_total$", "", family(metric))
        if metric.endswith("_count") or metric.endswith("_bucket") and "histogram_quantile" not in expr:
            units.add("none")
        elif name.startswith("mimicfleet:"):
            units.add({"ratio": "percentunit", "seconds": "s"}.get(re.sub(r".*:([a-z]+).*", r"\1", name), "none"))
        else:
            units.add(next((unit for suffix, unit in SUFFIXES.items() if name.endswith(suffix)), "none"))
    if len(units) != 1:
        return None
    unit = units.pop()
    if re.search(r"\b(rate|deriv)\(", expr) and "histogram_quantile" not in expr:
        return {"bytes": "Bps", "s": "percentunit", "none": "ops"}.get(unit)
    return unit


def _unit_fits(expr: str, unit: str) -> bool:
    expr = re.split(r" (?:and|unless) (?:on )?", expr)[0]  # what follows chooses among series
    if re.search(r"\* 3600$", expr):
        return unit == "none"  # something an hour
    if " / " not in expr:
        quantity = _quantity(expr)
        return unit == quantity or (unit, quantity) == ("none", "ops")  # a rate whose title says of what
    above, below = (_quantity(part) for part in expr.split(" / ", 1))
    if (above, below) == ("none", "ops"):
        return unit == "s"
    if (above, below) == ("s", "none"):
        return unit == "s"  # a mean
    return unit == ("percentunit" if above == below or "ratio" in expr else "none")


def check_files(dashboards: list[Dashboard]) -> list[str]:
    found = []
    uids = [dashboard.content["uid"] for dashboard in dashboards]
    found += [f"the uid {uid} is there twice" for uid in set(uids) if uids.count(uid) > 1]
    for dashboard in dashboards:
        faults = _check_panels(dashboard) + _check_units(dashboard) + _check_links(dashboard, dashboards)
        if dashboard.content["schemaVersion"] < 38:
            faults.append("a schemaVersion before Grafana 10")
        found += [f"{dashboard.path.name}: {fault}" for fault in faults]
    return found


def _check_panels(dashboard: Dashboard) -> list[str]:
    found = []
    known = {variable["name"] for variable in dashboard.variables} | {"__range", "__interval", "__rate_interval"}
    ids = [panel["id"] for panel in dashboard.panels]
    if len(set(ids)) < len(ids):
        found.append("panels share an id")
    for one, other in itertools.combinations(dashboard.panels, 2):
        a, b = one["gridPos"], other["gridPos"]
        if (a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
                and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]):
            found.append(f"{one['title']} and {other['title']} overlap")
    for panel in dashboard.panels:
        title = panel["title"]
        if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24:
            found.append(f"{title} is wider than the dashboard")
        targets = panel.get("targets", [])
        if not targets:
            continue
        if not panel["description"]:
            found.append(f"{title} has no description")
        if {json.dumps(part["datasource"]) for part in [panel, *targets]} != {
                json.dumps({"type": "prometheus", "uid": "${datasource}"})}:
            found.append(f"{title} does not ask the data source of the variable")
        if len({target["refId"] for target in targets}) < len(targets):
            found.append(f"{title} has two queries of one name")
        unknown = {name for target in targets for match in VARIABLE.findall(target["expr"]) for name in match
                   if name and not name.isdigit()} - known  # $1 is a part of a match
        if unknown:
            found.append(f"{title} asks with unknown variables: {', '.join(sorted(unknown))}")
    return found


def _check_units(dashboard: Dashboard) -> list[str]:
    found = []
    for panel in dashboard.panels:
        if panel["type"] in ("row", "text"):
            continue
        units = {"": panel["fieldConfig"]["defaults"]["unit"]}
        for override in panel["fieldConfig"]["overrides"]:
            for change in override["properties"]:
                if change["id"] == "unit":
                    units[override["matcher"]["options"]] = change["value"]
        found += [f"{panel['title']}: an unknown unit {unit}" for unit in units.values() if unit not in UNITS]
        columns = column_names(panel)
        for target in panel["targets"]:
            unit = units.get(columns.get(target["refId"], ""), units[""])
            shown = panel["type"] != "state-timeline" and (not columns or target["refId"] in columns)
            if shown and not _unit_fits(target["expr"], unit):
                found.append(f"{panel['title']} {target['refId']}: {unit} does not fit {target['expr']}")
    return found


def _check_links(dashboard: Dashboard, dashboards: list[Dashboard]) -> list[str]:
    """Links lead to dashboards and panels that are there; a panel that a column names is one for each of its values."""
    panels = {other.content["uid"]: {str(panel["id"]) for panel in other.panels} for other in dashboards}
    found = []
    for uid, wanted in set(re.findall(r'["(]/d/([\w-]+)(?:\?viewPanel=([^"&)]+))?', json.dumps(dashboard.content))):
        numbers = {wanted} - {""}
        if column := re.fullmatch(r"\$\{__data\.fields\.(\w+)\.text\}", wanted):
            numbers = _texts_of_column(dashboard, column[1]) or {f"none of the column {column[1]}"}
        if uid not in panels:
            found.append(f"a link to {uid}, which is no dashboard")
        elif missing := numbers - panels[uid]:
            found.append(f"a link to the panel {', '.join(sorted(missing))} of {uid}, which is not there")
    return found + [f"a link to {link}, which is nothing in Grafana" for panel in dashboard.panels
                    for link in re.findall(r"\]\(((?!/d/|https?:)[^)]*)\)", panel.get("options", {}).get("content", ""))]


def _texts_of_column(dashboard: Dashboard, column: str) -> set[str]:
    """What its values are turned into."""
    return {value["text"] for panel in dashboard.panels for override in panel.get("fieldConfig", {}).get("overrides", [])
            if override["matcher"]["options"] == column for change in override["properties"] if change["id"] == "mappings"
            for mapping in change["value"] for value in mapping["options"].values()}


def column_names(panel: dict) -> dict[str, str]:
    """What the value of each query of a table is called, by its refId."""
    for step in panel.get("transformations", []):
        if step["id"] == "organize":
            return {name.removeprefix("Value #"): title for name, title in step["options"]["renameByName"].items()
                    if name.startswith("Value #")}
    return {}


class View:
    """A dashboard as somebody sees it: with a time, and a value for each variable."""

    def __init__(self, dashboard: Dashboard, prometheus: Prometheus, start: float, end: float, scrape: float,
                 chosen: dict[str, str] | None = None):
        self.dashboard, self.prometheus, self.start, self.end = dashboard, prometheus, start, end
        self.step = max(scrape, math.ceil((end - start) / 300))
        self.values = {"__interval": f"{self.step:.0f}s", "__range": f"{end - start:.0f}s",
                       "__rate_interval": f"{max(self.step + scrape, 4 * scrape):.0f}s"}
        self.shown: dict[str, str] = {}
        self.faults: list[str] = []
        for variable in dashboard.variables:
            if variable["type"] == "query":
                self._choose(variable, (chosen or {}).get(variable["name"]))

    def _choose(self, variable: dict, wanted: str | None) -> None:
        name = variable["name"]
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
        try:
            if not asked:
                raise Fault("is not label_values(series, label)")
            found = self.prometheus.label_values(asked[2], self.fill(asked[1]), self.start, self.end)
        except Fault as fault:
            found = []
            self.faults.append(f"${name}: {variable['definition']}: {fault}")
        if not found:
            self.faults.append(f"${name}: {variable['definition']} has no values")
        found.sort(key=lambda value: -float(value) if variable["sort"] == 4 else value)
        if variable["multi"]:
            self.values[name] = "(" + "|".join(re.escape(value).replace("\\", "\\\\") for value in found) + ")"
            self.shown[name] = "All"
        else:
            self.values[name] = self.shown[name] = wanted or (found[0] if found else "")

    def fill(self, expr: str) -> str:
        return VARIABLE.sub(lambda match: self.values.get(match[1] or match[2], match[0]), expr)

    def answer(self, target: dict, source: Prometheus | None = None) -> list[dict]:
        """The series of a query, each with its legend."""
        expr, source = self.fill(target["expr"]), source or self.prometheus
        if target["instant"]:
            series = source.instant(expr, self.end)
        else:
            series = source.range(expr, self.start, self.end, self.step)
        for one in series:
            one["legend"] = re.sub(r"\{\{(\w+)\}\}", lambda match: one["labels"].get(match[1], ""),
                                   target["legendFormat"]) or json.dumps(one["labels"])
        return series

    def check(self, unless=lambda expr: False) -> list[str]:
        """The faults of all expressions; `unless` says of which nothing is asked here."""
        found = list(self.faults)
        for panel in self.dashboard.panels:
            for target in panel.get("targets", []):
                if unless(target["expr"]):
                    continue
                try:
                    series = self.answer(target)
                    fault = None if series else "empty"
                    if any(not math.isfinite(value) for one in series for value in one["values"]):
                        fault = "not a number"
                except Fault as error:
                    fault = str(error)
                if fault:
                    found.append(f"{panel['title']} {target['refId']}: {fault}: {self.fill(target['expr'])}")
        for mark in self.dashboard.content["annotations"]["list"]:
            try:
                self.prometheus.range(self.fill(mark["expr"]), self.start, self.end, self.step)
            except Fault as error:
                found.append(f"{mark['name']}: {error}")
        return [f"{self.dashboard.path.name}: {fault}" for fault in found]
