"""Builds Grafana 10 dashboards: each function makes one panel or variable of the dashboard JSON.

Only what the dashboards use; what is left out has Grafana's default."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "#6e7681"


def query(expr: str, legend: str = "", *, instant: bool = False, table: bool = False) -> dict:
    return {"datasource": DATASOURCE, "editorMode": "code", "expr": expr, "legendFormat": legend,
            "instant": instant, "range": not instant, "format": "table" if table else "time_series"}


def steps(*limits: tuple[float | None, str]) -> dict:
    """Colours from each value on; the first begins at None."""
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for value, colour in limits]}


def _panel(kind: str, title: str, description: str, queries: list[dict], size: tuple[int, int], unit: str,
           **more) -> dict:
    defaults = {"unit": unit, "thresholds": steps((None, GREEN)), "mappings": [], "custom": {},
                "color": {"mode": "palette-classic"}, "noValue": "no data", **more.pop("defaults", {})}
    targets = [{"refId": chr(ord("A") + index), **target} for index, target in enumerate(queries)]
    return {"type": kind, "title": title, "description": description, "datasource": DATASOURCE,
            "gridPos": {"h": size[1], "w": size[0], "x": 0, "y": 0}, "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])}, **more}


def _limits(defaults: dict, low: float | None, high: float | None) -> dict:
    for name, value in (("min", low), ("max", high)):
        if value is not None:
            defaults[name] = value
    return defaults


def stat(title: str, expr: str, unit: str, description: str, *, thresholds: dict | None = None, width: int = 4,
         legend: str = "", decimals: int | None = None, empty: str = "no data", names: bool = False,
         mappings: list | None = None, link: str | None = None) -> dict:
    """One number; `names`: the text of its legend instead."""
    defaults = {"thresholds": thresholds or steps((None, BLUE)), "color": {"mode": "thresholds"}, "noValue": empty,
                "mappings": mappings or []}
    if decimals is not None:
        defaults["decimals"] = decimals
    more = {"links": [{"title": "Runbook" if "?" in link else "Runbooks", "url": link}]} if link else {}
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value",
               "graphMode": "none" if names else "area", "justifyMode": "auto", "orientation": "auto",
               "textMode": "name" if names else "value"}
    return _panel("stat", title, description, [query(expr, legend)], (width, 4), unit, defaults=defaults,
                  options=options, **more)


def timeseries(title: str, queries: list[dict], unit: str, description: str, *, width: int = 12, height: int = 8,
               stacked: bool = False, low: float | None = 0, high: float | None = None, empty: str = "no data",
               thresholds: dict | None = None, colours: dict[str, str] | None = None) -> dict:
    custom = {"drawStyle": "line", "lineInterpolation": "stepAfter" if stacked else "linear", "lineWidth": 1,
              "fillOpacity": 60 if stacked else 10, "showPoints": "auto", "spanNulls": False,
              "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
              "thresholdsStyle": {"mode": "dashed" if thresholds else "off"}}
    defaults = _limits({"custom": custom, "noValue": empty}, low, high)
    if thresholds:
        defaults["thresholds"] = thresholds
    overrides = [{"matcher": {"id": "byName", "options": name},
                  "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}]}
                 for name, colour in (colours or {}).items()]
    options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return _panel("timeseries", title, description, queries, (width, height), unit, defaults=defaults,
                  overrides=overrides, options=options)


def state_timeline(title: str, queries: list[dict], description: str, *, width: int = 24, height: int = 8) -> dict:
    """A row for each series, filled while it has a value."""
    defaults = {"custom": {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False}, "decimals": 0,
                "noValue": "no worker of this name in this time"}
    options = {"showValue": "never", "mergeValues": True, "rowHeight": 0.8, "alignValue": "left",
               "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
               "tooltip": {"mode": "single", "sort": "none"}}
    return _panel("state-timeline", title, description, queries, (width, height), "none", defaults=defaults,
                  options=options)


def bar_chart(title: str, queries: list[dict], by: str, names: list[str], unit: str, description: str, *,
              width: int = 12, height: int = 9, empty: str = "no data") -> dict:
    """Groups of bars: a group for each value of the label `by`, a bar for each query, called by `names`."""
    colours = dict(zip(names, (BLUE, ORANGE)))
    overrides = [{"matcher": {"id": "byName", "options": name},
                  "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}]}
                 for name, colour in colours.items()]
    options = {"xField": by, "orientation": "horizontal", "showValue": "always", "stacking": "none",
               "groupWidth": 0.7, "barWidth": 0.9, "xTickLabelRotation": 0, "xTickLabelSpacing": 0,
               "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
               "tooltip": {"mode": "multi", "sort": "none"}}
    return _panel("barchart", title, description, queries, (width, height), unit, overrides=overrides,
                  options=options, defaults=_limits({"noValue": empty}, 0, None),
                  transformations=joined(by, names, {}))


def bar_gauge(title: str, expr: str, legend: str, unit: str, description: str, *, width: int = 8, height: int = 8,
              high: float | None = None, thresholds: dict | None = None, empty: str = "no data") -> dict:
    defaults = _limits({"thresholds": thresholds or steps((None, BLUE)), "color": {"mode": "thresholds"},
                        "noValue": empty}, 0, high)
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
               "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True, "valueMode": "color"}
    return _panel("bargauge", title, description, [query(expr, legend, instant=True)], (width, height), unit,
                  defaults=defaults, options=options)


def joined(by: str, names: list[str], labels: dict[str, str]) -> list[dict]:
    """One table of several queries: the rows of one value of `by` become one. `names` are those of the queries' values;
    a value without a name goes, as do labels but `labels`."""
    values = {f"Value #{chr(ord('A') + index)}": name for index, name in enumerate(names) if name}
    order = [by, *labels, *values]
    return [{"id": "joinByField", "options": {"byField": by, "mode": "outer"}},
            {"id": "filterFieldsByName", "options": {"include": {"names": order}}},
            {"id": "organize", "options": {"indexByName": {name: index for index, name in enumerate(order)},
                                           "renameByName": {**labels, **values}}}]


def table(title: str, queries: list[dict], by: str, names: list[str], units: dict[str, str], description: str, *,
          labels: dict[str, str] | None = None, width: int = 12, height: int = 8, empty: str = "no data",
          link: tuple[str, str, str] | None = None, hidden: dict[str, dict[str, int]] | None = None) -> dict:
    """A row for each value of the label `by`, a column for each query; `link`: column, title, URL. `hidden`: labels that are
    not shown, for URLs, and what the text of each of their values is."""
    overrides = [{"matcher": {"id": "byName", "options": name},
                  "properties": [{"id": "unit", "value": units[name]} if name in units else {"id": "decimals", "value": 0}]}
                 for name in names if name]
    if link:
        column, link_title, url = link
        overrides.append({"matcher": {"id": "byName", "options": column},
                          "properties": [{"id": "links", "value": [{"title": link_title, "url": url}]}]})
    for column, texts in (hidden or {}).items():
        mapping = {"type": "value", "options": {value: {"text": str(shown), "index": index}
                                                for index, (value, shown) in enumerate(texts.items())}}
        overrides.append({"matcher": {"id": "byName", "options": column},
                          "properties": [{"id": "custom.hidden", "value": True}, {"id": "mappings", "value": [mapping]}]})
    options = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"], "fields": ""}}
    return _panel("table", title, description, queries, (width, height), "none",
                  defaults={"custom": {"align": "auto", "cellOptions": {"type": "auto"}}, "noValue": empty},
                  overrides=overrides, options=options, transformations=joined(by, names, labels or {}))


def row(title: str) -> dict:
    return {"type": "row", "title": title, "collapsed": False, "gridPos": {"h": 1, "w": 24, "x": 0, "y": 0},
            "panels": []}


def text(title: str, content: str, *, width: int = 24, height: int = 8) -> dict:
    return {"type": "text", "title": title, "description": "", "gridPos": {"h": height, "w": width, "x": 0, "y": 0},
            "options": {"mode": "markdown", "content": content}}


def datasource_variable() -> dict:
    return {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "hide": 0,
            "includeAll": False, "multi": False, "refresh": 1, "regex": "", "options": [],
            "current": {"text": "mimicfleet", "value": "mimicfleet-prometheus"}, "description": "Which Prometheus is asked"}


def label_variable(name: str, label: str, definition: str, description: str, *, every: bool = False,
                   newest_first: bool = False) -> dict:
    """The values of a label; `every`: several may be chosen, all of them at first."""
    variable = {"type": "query", "name": name, "label": label, "description": description, "datasource": DATASOURCE,
                "definition": definition, "query": {"query": definition, "refId": name}, "refresh": 2,
                "regex": "", "sort": 4 if newest_first else 1, "multi": every, "includeAll": every, "hide": 0,
                "options": []}
    if every:
        variable["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return variable


def place(panels: list[dict]) -> list[dict]:
    """Numbers the panels and lays them out from left to right, a new line where the next one finds no room."""
    x = y = line = 0
    for number, panel in enumerate(panels, 1):
        position = panel["gridPos"]
        if x + position["w"] > 24:
            x, y, line = 0, y + line, 0
        position["x"], position["y"] = x, y
        panel["id"] = number
        x, line = x + position["w"], max(line, position["h"])
    return panels


def dashboard(uid: str, title: str, description: str, variables: list[dict], panels: list[dict], *,
              since: str = "now-3h", annotations: list[dict] | None = None) -> dict:
    others = {"type": "dashboards", "tags": ["mimicfleet"], "title": "mimicfleet", "asDropdown": False,
              "includeVars": False, "keepTime": True, "icon": "external link", "targetBlank": False, "tooltip": "",
              "url": ""}
    return {"uid": uid, "title": title, "description": description, "tags": ["mimicfleet"], "schemaVersion": 38,
            "editable": True, "graphTooltip": 1, "timezone": "browser", "refresh": "30s", "version": 1,
            "time": {"from": since, "to": "now"}, "links": [others], "annotations": {"list": annotations or []},
            "templating": {"list": variables}, "panels": place(panels)}
