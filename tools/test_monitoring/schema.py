"""Whether Grafana's own description of dashboards (its Foundation SDK) knows all that ours say."""
import json

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

# Grafana writes these itself when it exports a dashboard; the description leaves them to the data source.
BEYOND = {"definition", "step", "titleFormat"}


def lost(before, after, path: str = "") -> list[str]:
    """What is in `before` and not in `after`, but for what is empty."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [fault for name, value in before.items() if name not in BEYOND and value not in (None, [], {}, "", False)
                for fault in lost(value, after.get(name), f"{path}/{name}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [fault for one, other in zip(before, after) for fault in lost(one, other, path)]
    return [] if before == after else [f"{path} is {before!r}, which Grafana's schema makes {after!r}"]


def check(contents: dict[str, dict]) -> list[str]:
    """The faults of dashboards by their names."""
    plugins.register_default_plugins()
    found = []
    for name, content in contents.items():
        try:
            read = json.loads(JSONEncoder().encode(Dashboard.from_json(content)))
        except (KeyError, TypeError, ValueError) as error:
            found.append(f"{name}: {error!r}")
            continue
        found += [f"{name}: {fault}" for fault in lost(content, read)]
    return found
