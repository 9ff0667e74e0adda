"""Prometheus' files: promtool finds no fault, each alert has a case that fires and one that does not, each recording rule
a value, and each runbook is a heading of the manual.

The rules are read by line, which needs nothing but Python; what does not look as expected is a fault, too."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "monitoring" / "prometheus" / "rules"
CASES = ROOT / "tests" / "monitoring" / "rules"
MANUAL = ROOT / "docs" / "monitoring.md"
SEVERITIES = {"critical", "warning", "info"}
LABELS_OF_ALL = {"alertname", "alertstate", "severity"}


def promtool() -> list[str]:
    commands = [["check", "config", str(ROOT / "monitoring" / "prometheus" / "prometheus.yml")],
                ["check", "rules", *map(str, sorted(RULES.glob("*.yml")))],
                ["test", "rules", *map(str, sorted(CASES.glob("*.yml")))]]
    found = []
    for arguments in commands:
        done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            found.append(f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
    return found


def split_rules(text: str, kind: str) -> dict[str, str]:
    """The text of each rule by its name."""
    parts = re.split(rf"^ +- {kind}: (\S+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def check_alert(name: str, rule: str, cases: str, headings: set[str]) -> list[str]:
    found = []
    severity = re.search(r"labels: \{severity: (\w+)\}", rule)
    if not severity or severity.group(1) not in SEVERITIES:
        found.append(f"{name}: severity is none of {', '.join(sorted(SEVERITIES))}")
    found += [f"{name}: no {what}" for what in ("summary", "description") if not re.search(rf"^ +{what}: \S", rule, re.M)]
    runbook = re.search(r"^ +runbook_url: docs/monitoring\.md#(\S+)$", rule, re.M)
    if not runbook or runbook.group(1) not in headings:
        found.append(f"{name}: runbook_url is no heading of docs/monitoring.md")
    asked = re.findall(rf'alertname="{name}",alertstate="firing"}}\', exp_samples: (\[.*\])}}$', cases, re.M)
    if not any(samples == "[]" for samples in asked):
        found.append(f"{name}: no case in which it does not fire")
    if not any(samples != "[]" for samples in asked):
        found.append(f"{name}: no case in which it fires")
    labels = set(re.findall(r"(\w+)=\"", " ".join(asked))) | LABELS_OF_ALL
    found += [f"{name}: its annotations name the label {label}, which it does not have"
              for label in re.findall(r"\$labels\.(\w+)", rule) if label not in labels]
    return found


def main() -> int:
    found = promtool()
    headings = {heading.lower() for heading in re.findall(r"^### (\w+)$", MANUAL.read_text(encoding="utf-8"), re.M)}
    alerts = split_rules((RULES / "alerts.yml").read_text(encoding="utf-8"), "alert")
    cases = (CASES / "alerts_test.yml").read_text(encoding="utf-8")
    for name, rule in alerts.items():
        found += check_alert(name, rule, cases, headings)
    found += [f"docs/monitoring.md: a runbook for {heading}, which is no alert"
              for heading in headings if heading.startswith("mimicfleet") and heading not in map(str.lower, alerts)]
    records = split_rules((RULES / "recording.yml").read_text(encoding="utf-8"), "record")
    values = (CASES / "recording_test.yml").read_text(encoding="utf-8")
    found += [f"{name}: no case in which it has a value" for name in records
              if not re.search(rf"expr: '{re.escape(name)}\b[^']*', exp_samples: \[\{{", values)]
    if not alerts or not records:
        found.append(f"{RULES}: no rules")
    print("\n".join(found) or f"{len(alerts)} alerts and {len(records)} recording rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
