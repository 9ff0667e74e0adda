"""Runbooks: what to do about each alert. The text is the manual's, so that links to it work in a network without the manual."""
import pathlib
import re

from panels import dashboard, text

MANUAL = pathlib.Path(__file__).resolve().parents[2] / "docs" / "monitoring.md"
ALL = "/d/mimicfleet-runbooks"


def _read() -> dict[str, str]:
    """The text of each runbook, by its heading, which is the name of an alert."""
    section = re.search(r"^## Runbooks\n(.*?)(?=^## |\Z)", MANUAL.read_text(encoding="utf-8"), re.M | re.S)
    parts = re.split(r"^### (.+)\n", section[1], flags=re.M)[1:]
    return {heading: body.strip() for heading, body in zip(parts[::2], parts[1::2])}


TEXTS = _read()
# Which panel of the dashboard each one is: they are numbered in their order.
PANELS = {alert: number for number, alert in enumerate(TEXTS, 1)}


def runbook(alert: str) -> str:
    return f"{ALL}?viewPanel={PANELS[alert]}"


def with_links(content: str) -> str:
    """Links to headings of the manual as links to panels; a link to anything else would lead nowhere."""
    by_anchor = {alert.lower(): alert for alert in TEXTS}
    return re.sub(r"\]\((?!https?:)#?([^)]*)\)", lambda link: f"]({runbook(by_anchor[link[1]])})", content)


def build() -> dict:
    panels = [text(alert, with_links(content), width=12, height=max(7, 4 + len(content) // 130))
              for alert, content in TEXTS.items()]
    return dashboard("mimicfleet-runbooks", "mimicfleet / Runbooks", "What to do about each alert", [], panels)
