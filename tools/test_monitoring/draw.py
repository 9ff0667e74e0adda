"""Draws a dashboard as one picture: not Grafana's pixels, but its panels where they stand, with their titles, units,
colours and legends."""
import datetime
import math
import pathlib
import textwrap

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.patches import FancyBboxPatch, Rectangle

from grafana import View, column_names
from prometheus import Fault, Prometheus

WIDTH, COLUMN, LINE, GAP, DPI = 1600, 1600 / 24, 36, 4, 100
PAGE, PANEL, EDGE, TEXT, FAINT = "#111217", "#181b1f", "#2c3038", "#ccccdc", "#8e8e9c"
NAMED = {"green": "#73bf69", "yellow": "#fade2a", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2"}
PALETTE = ["#73bf69", "#fade2a", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#ffa6b0", "#37872d", "#c0d8ff",
           "#e0b400", "#a352cc"]


def scaled(value: float, unit: str, decimals: int | None = None) -> str:
    """A number as Grafana writes it."""
    if unit == "percentunit":
        return f"{value * 100:.{1 if decimals is None else decimals}f}%"
    if unit == "s":
        for limit, size, name in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "hour"), (float("inf"), 86400, "day")):
            if abs(value) < limit:
                break
        if abs(value) < 1 and value:
            return f"{value * 1000:.3g} ms"
        return f"{value / size:.{0 if decimals == 0 and size == 1 else 1}f} {name}"
    if unit in ("bytes", "Bps"):
        names = ["B", "KiB", "MiB", "GiB", "TiB"]
        while abs(value) >= 1024 and len(names) > 1:
            value, names = value / 1024, names[1:]
        return f"{value:.3g} {names[0]}{'/s' if unit == 'Bps' else ''}"
    suffix = {"celsius": " °C", "watt": " W", "ops": " ops/s"}.get(unit, "")
    return (f"{value:.{decimals}f}" if decimals is not None else f"{value:.4g}") + suffix


def threshold_colour(value: float, defaults: dict) -> str:
    colour = FAINT
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return NAMED.get(colour, colour)


def mapped(value: float, defaults: dict) -> str | None:
    for mapping in defaults["mappings"]:
        if f"{value:g}" in mapping["options"]:
            return mapping["options"][f"{value:g}"]["text"]
    return None


class Picture:
    def __init__(self, view: View, samples: Prometheus | None, of_gpu):
        self.view, self.samples, self.of_gpu = view, samples, of_gpu
        self.lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in view.dashboard.panels)
        self.head = 60
        self.height = self.head + self.lines * LINE
        self.figure = pyplot.figure(figsize=(WIDTH / DPI, self.height / DPI), dpi=DPI, facecolor=PAGE)

    def save(self, path: pathlib.Path) -> None:
        self._heading()
        for panel in self.view.dashboard.panels:
            self._panel(panel)
        self.figure.savefig(path, dpi=DPI, facecolor=PAGE, pil_kwargs={"optimize": True})
        pyplot.close(self.figure)

    def _heading(self) -> None:
        content = self.view.dashboard.content
        self._write(10, 22, content["title"], size=13, weight="bold")
        chosen = "     ".join(f"{name}: {value}" for name, value in self.view.shown.items())
        self._write(10, 46, chosen or content["description"], size=9, colour=FAINT)
        clock = [datetime.datetime.fromtimestamp(when, datetime.UTC).strftime("%H:%M:%S")
                 for when in (self.view.start, self.view.end)]
        self._write(WIDTH - 10, 22, f"{clock[0]} to {clock[1]} UTC", size=9, colour=FAINT, align="right")

    def _write(self, x: float, y: float, text: str, *, size: float, colour: str = TEXT, align: str = "left",
               weight: str = "normal") -> None:
        """x and y in pixels from the upper left corner."""
        self.figure.text(x / WIDTH, 1 - y / self.height, text, size=size, color=colour, ha=align, va="center",
                         weight=weight)

    def _place(self, panel: dict) -> tuple[float, float, float, float]:
        """x, y, width, height in pixels."""
        position = panel["gridPos"]
        return (position["x"] * COLUMN + GAP, self.head + position["y"] * LINE + GAP,
                position["w"] * COLUMN - 2 * GAP, position["h"] * LINE - 2 * GAP)

    def _axes(self, x: float, y: float, width: float, height: float):
        axes = self.figure.add_axes((x / WIDTH, 1 - (y + height) / self.height, width / WIDTH, height / self.height))
        axes.set_facecolor(PANEL)
        axes.tick_params(colors=FAINT, labelsize=7.5, length=0)
        for edge in axes.spines.values():
            edge.set_visible(False)
        return axes

    def _panel(self, panel: dict) -> None:
        x, y, width, height = self._place(panel)
        if panel["type"] == "row":
            self._write(x + 4, y + height / 2, "▾ " + panel["title"], size=11, weight="bold")
            return
        self.figure.add_artist(FancyBboxPatch(
            (x / WIDTH, 1 - (y + height) / self.height), width / WIDTH, height / self.height, boxstyle="square,pad=0",
            facecolor=PANEL, edgecolor=EDGE, linewidth=0.8, transform=self.figure.transFigure, zorder=-1))
        title = panel["title"]
        try:
            answers = [self.view.answer(target) for target in panel["targets"]]
            if self.samples and not any(answers) and self.of_gpu(panel["targets"][0]["expr"]):
                title += "  (recorded on an H200)"
                answers = [self.view.answer(target, self.samples) for target in panel["targets"]]
        except Fault as fault:
            self._write(x + 10, y + 15, title, size=9.5, weight="bold")
            self._nothing(x, y, width, height, str(fault))
            return
        self._write(x + 10, y + 15, title, size=9.5, weight="bold")
        if not any(answers):
            self._nothing(x, y, width, height, panel["fieldConfig"]["defaults"]["noValue"])
            return
        draw = {"stat": self._stat, "timeseries": self._timeseries, "state-timeline": self._states,
                "barchart": self._bars, "bargauge": self._gauge, "table": self._table}[panel["type"]]
        draw(panel, answers, (x, y + 28, width, height - 28))

    def _nothing(self, x: float, y: float, width: float, height: float, text: str) -> None:
        self._write(x + width / 2, y + height / 2 + 8, "\n".join(textwrap.wrap(text, max(12, int(width / 9)))), size=10,
                    colour=FAINT, align="center")

    def _stat(self, panel: dict, answers: list, box: tuple) -> None:
        x, y, width, height = box
        defaults = panel["fieldConfig"]["defaults"]
        series = answers[0][-1]
        value = series["values"][-1]
        names = panel["options"]["textMode"] == "name"
        colour = NAMED["blue"] if names else threshold_colour(value, defaults)
        if not names and len(series["values"]) > 1:
            axes = self._axes(x + 1, y + height * 0.55, width - 2, height * 0.45 - 1)
            axes.fill_between(series["times"], series["values"], color=colour, alpha=0.25, linewidth=0)
            axes.plot(series["times"], series["values"], color=colour, linewidth=1, alpha=0.7)
            low, high = min(0, *series["values"]), max(series["values"])
            axes.set(xlim=(self.view.start, self.view.end), ylim=(low, high * 1.05 + 1e-9), xticks=[], yticks=[])
        text = series["legend"] if names else mapped(value, defaults) or scaled(value, defaults["unit"],
                                                                                defaults.get("decimals"))
        size = min(25, 1.0 * width / max(4, len(text)))
        self._write(x + width / 2, y + height * 0.38, text, size=size, colour=colour, align="center", weight="bold")

    def _colours(self, panel: dict, names: list[str]) -> list[str]:
        fixed = {override["matcher"]["options"]: change["value"]["fixedColor"]
                 for override in panel["fieldConfig"]["overrides"] for change in override["properties"]
                 if change["id"] == "color"}
        free = iter(PALETTE * 5)
        return [NAMED.get(fixed[name], fixed[name]) if name in fixed else next(free) for name in names]

    def _legend(self, names: list[str], colours: list[str], box: tuple) -> float:
        """Names below a panel, in as many lines as they need; their height."""
        x, y, width, height = box
        lines, room = [[]], width - 20
        for name, colour in zip(names, colours):
            need = 30 + 6.6 * len(name)
            if lines[-1] and need > room:
                lines.append([])
                room = width - 20
            lines[-1].append((name, colour, need))
            room -= need
        lines = lines[:3]
        for number, line in enumerate(lines):
            left = x + 12
            top = y + height - 14 - 15 * (len(lines) - 1 - number)
            for name, colour, need in line:
                self.figure.add_artist(Rectangle((left / WIDTH, 1 - (top + 1) / self.height), 12 / WIDTH,
                                                 3 / self.height, facecolor=colour, transform=self.figure.transFigure))
                self._write(left + 17, top, name, size=8)
                left += need
        return 12 + 15 * len(lines)

    def _time_axis(self, axes) -> None:
        axes.set_xlim(self.view.start, self.view.end)
        ticks = [self.view.start + (self.view.end - self.view.start) * part / 5 for part in range(1, 5)]
        axes.set_xticks(ticks, [datetime.datetime.fromtimestamp(tick, datetime.UTC).strftime("%H:%M:%S")
                                for tick in ticks])

    def _runs(self, series: dict) -> list[tuple[list, list]]:
        """Points without a missing one between them: Grafana draws no line over a gap (`spanNulls` is false)."""
        runs: list[tuple[list, list]] = []
        for when, value in zip(series["times"], series["values"]):
            if not runs or when - runs[-1][0][-1] > 1.5 * self.view.step:
                runs.append(([], []))
            runs[-1][0].append(when)
            runs[-1][1].append(value)
        return runs

    def _timeseries(self, panel: dict, answers: list, box: tuple) -> None:
        x, y, width, height = box
        defaults, series = panel["fieldConfig"]["defaults"], [one for answer in answers for one in answer]
        colours = self._colours(panel, [one["legend"] for one in series])
        below = self._legend([one["legend"] for one in series], colours, box)
        axes = self._axes(x + 62, y + 6, width - 76, height - below - 28)
        axes.grid(color=EDGE, linewidth=0.7)
        axes.set_axisbelow(True)
        custom = defaults["custom"]
        if custom["stacking"]["mode"] == "normal":
            self._stack(axes, series, colours)
        else:
            for one, colour in zip(series, colours):
                for times, values in self._runs(one):
                    axes.plot(times, values, color=colour, linewidth=1.3, marker="." if len(times) == 1 else None)
                    axes.fill_between(times, values, color=colour, alpha=0.08, linewidth=0)
        highest = axes.get_ylim()[1]
        top = defaults.get("max") or (highest if highest > 0.06 or defaults["unit"] != "none" else 1)
        axes.set_ylim(defaults.get("min", axes.get_ylim()[0]), top * (1.02 if "max" in defaults else 1.05))
        if custom["thresholdsStyle"]["mode"] != "off":
            for step in defaults["thresholds"]["steps"][1:]:
                axes.axhline(step["value"], color=NAMED.get(step["color"], step["color"]), linestyle="--", linewidth=0.8)
        self._time_axis(axes)
        if defaults["unit"] in ("bytes", "Bps"):
            apart = 2.0 ** math.ceil(math.log2(max(axes.get_ylim()[1], 1) / 5))
            axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(apart))
        else:
            axes.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5))
        axes.yaxis.set_major_formatter(lambda value, _: scaled(value, defaults["unit"]))

    @staticmethod
    def _stack(axes, series: list, colours: list[str]) -> None:
        times = sorted({when for one in series for when in one["times"]})
        base = [0.0] * len(times)
        for one, colour in zip(series, colours):
            known = dict(zip(one["times"], one["values"]))
            upper = [low + known.get(when, 0) for low, when in zip(base, times)]
            axes.fill_between(times, base, upper, color=colour, alpha=0.6, linewidth=0, step="post")
            base = upper

    def _states(self, panel: dict, answers: list, box: tuple) -> None:
        x, y, width, height = box
        series = [one for answer in answers for one in answer]
        axes = self._axes(x + 100, y + 6, width - 114, height - 34)
        for number, (one, colour) in enumerate(zip(series, self._colours(panel, [one["legend"] for one in series]))):
            axes.broken_barh([(when, self.view.step) for when in one["times"]], (number - 0.4, 0.8), facecolors=colour,
                             alpha=0.85, linewidth=0)
        axes.set_yticks(range(len(series)), [one["legend"] for one in series])
        axes.set_ylim(len(series) - 0.5, -0.5)
        self._time_axis(axes)

    def _bars(self, panel: dict, answers: list, box: tuple) -> None:
        x, y, width, height = box
        by, unit = panel["options"]["xField"], panel["fieldConfig"]["defaults"]["unit"]
        names = list(column_names(panel).values())
        rows = [{one["labels"][by]: one["values"][-1] for one in answer} for answer in answers]
        groups = sorted({group for row in rows for group in row})
        colours = self._colours(panel, names)
        below = self._legend(names, colours, box)
        axes = self._axes(x + 100, y + 4, width - 160, height - below - 24)
        axes.grid(color=EDGE, linewidth=0.7, axis="x")
        axes.set_axisbelow(True)
        thick = 0.8 / len(rows)
        for number, (row, colour) in enumerate(zip(rows, colours)):
            for place, group in enumerate(groups):
                if group in row:
                    centre = place - 0.4 + thick * (number + 0.5)
                    axes.barh(centre, row[group], thick * 0.9, color=colour)
                    axes.text(row[group], centre, "  " + scaled(row[group], unit), color=TEXT, size=7.5, va="center")
        axes.set_yticks(range(len(groups)), groups)
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(lambda value, _: scaled(value, unit))

    def _gauge(self, panel: dict, answers: list, box: tuple) -> None:
        x, y, width, height = box
        defaults = panel["fieldConfig"]["defaults"]
        series = [one for answer in answers for one in answer]
        high = defaults.get("max") or max(one["values"][-1] for one in series) or 1
        each = (height - 10) / len(series)
        for number, one in enumerate(series):
            value, top = one["values"][-1], y + 4 + number * each
            colour = threshold_colour(value, defaults)
            self._write(x + 12, top + each / 2, one["legend"], size=9)
            left, full = x + 100, width - 190
            for part, shade in ((1, EDGE), (min(1, value / high), colour)):
                self.figure.add_artist(Rectangle(
                    (left / WIDTH, 1 - (top + each * 0.82) / self.height), full * part / WIDTH,
                    each * 0.64 / self.height, facecolor=shade, transform=self.figure.transFigure))
            self._write(x + width - 14, top + each / 2, scaled(value, defaults["unit"], defaults.get("decimals")),
                        size=11, colour=colour, align="right", weight="bold")

    def _table(self, panel: dict, answers: list, box: tuple) -> None:
        x, y, width, height = box
        join, _, organize = panel["transformations"]
        by, order = join["options"]["byField"], organize["options"]["indexByName"]
        titles = organize["options"]["renameByName"]
        rows: dict[str, dict[str, str]] = {}
        for target, answer in zip(panel["targets"], answers):
            column = f"Value #{target['refId']}"
            unit, decimals = self._number(panel, titles.get(column, ""))
            for one in answer:
                row = rows.setdefault(one["labels"].get(by, ""), {})
                row.update(one["labels"])
                row[column] = scaled(one["values"][-1], unit, decimals)
        hidden = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]
                  for change in override["properties"] if change["id"] == "custom.hidden"}
        columns = [column for column in sorted(order, key=order.get) if column not in hidden]
        cells = [[titles.get(column, column) for column in columns]]
        cells += [[row.get(column, "") for column in columns] for _, row in sorted(rows.items())]
        need = [max(len(line[number]) for line in cells) + 3 for number in range(len(columns))]
        each = min(7.2, (width - 20) / sum(need))
        spread = (width - 20) / (sum(need) * each)
        for number, line in enumerate(cells[:int((height - 8) // 24)]):
            left = x + 12
            for cell, room in zip(line, need):
                self._write(left, y + 12 + 24 * number, cell, size=min(9, each * 1.3),
                            colour=NAMED["blue"] if number == 0 else TEXT, weight="bold" if number == 0 else "normal")
                left += room * each * min(spread, 2.2)

    @staticmethod
    def _number(panel: dict, title: str) -> tuple[str, int | None]:
        """Unit and decimals of a column."""
        changes = {change["id"]: change["value"] for override in panel["fieldConfig"]["overrides"]
                   if override["matcher"]["options"] == title for change in override["properties"]}
        return changes.get("unit", panel["fieldConfig"]["defaults"]["unit"]), changes.get("decimals")


def draw(view: View, path: pathlib.Path, samples: Prometheus | None = None, of_gpu=lambda expr: False) -> None:
    """`samples` answers the panels of GPUs where this fleet has none."""
    Picture(view, samples, of_gpu).save(path)
