"""role_variables.py ROOT: each Ansible role says the same of its variables in its README, its argument_specs and its defaults; the examples of
inventories use only these; each has what is required."""
import pathlib
import re
import sys

VARIABLE = re.compile(r"^(mimicfleet_\w+):", re.MULTILINE)


def of_readme(role: pathlib.Path) -> dict[str, str]:
    rows = re.findall(r"^\| `(mimicfleet_\w+)` \| (.*?) \| .+\|$", (role / "README.md").read_text(), re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


def of_specs(role: pathlib.Path) -> dict[str, dict[str, str]]:
    text = (role / "meta/argument_specs.yml").read_text()
    blocks = re.split(r"^      (mimicfleet_\w+):\n", text, flags=re.MULTILINE)[1:]
    return {name: dict(re.findall(r"^        (\w+): (.*)$", block, re.MULTILINE)) for name, block in zip(blocks[::2], blocks[1::2])}


def of_defaults(role: pathlib.Path) -> dict[str, str]:
    return dict(re.findall(r"^(mimicfleet_\w+): (.*)$", (role / "defaults/main.yml").read_text(), re.MULTILINE))


def check_role(role: pathlib.Path) -> list[str]:
    readme, specs, defaults = of_readme(role), of_specs(role), of_defaults(role)
    found = [f"{role.name}: {name} is not in README.md and argument_specs.yml alike" for name in sorted(set(readme) ^ set(specs))]
    for name, spec in specs.items():
        required = spec.get("required") == "true"
        if required == (name in defaults):
            found.append(f"{role.name}: {name} must be either required or have a default in defaults/main.yml")
        shown, default = readme.get(name), defaults.get(name)
        if required and shown != "**required**":
            found.append(f"{role.name}: README.md does not say that {name} is required")
        if "default" in spec:
            if spec["default"] != default:
                found.append(f"{role.name}: {name} is {spec['default']} in argument_specs.yml and {default} in defaults/main.yml")
            if shown != (default if default != '""' else "empty"):
                found.append(f"{role.name}: {name} is {default} in defaults/main.yml and {shown} in README.md")
    return found + [f"{role.name}: {name} has a default, but is not in argument_specs.yml" for name in sorted(set(defaults) - set(specs))]


def check_use(role: pathlib.Path, known: set[str]) -> list[str]:
    files = [path for part in ("tasks", "templates", "handlers") for path in (role / part).glob("*")]
    return [f"{path}: no role has the variable {name}" for path in files
            for name in sorted(set(re.findall(r"(?<![\w/.@-])mimicfleet_\w+", path.read_text())) - known - {"mimicfleet_workers", "mimicfleet_monitoring", "mimicfleet_coordinator"})]


def check_inventory(inventory: pathlib.Path, specs: dict[str, dict[str, str]]) -> list[str]:
    given = {name for path in inventory.rglob("group_vars/*.yml") for name in VARIABLE.findall(path.read_text())}
    required = {name for name, spec in specs.items() if spec.get("required") == "true"}
    return [f"{inventory.name}: no role has the variable {name}" for name in sorted(given - set(specs))] + \
           [f"{inventory.name}: {name} is required" for name in sorted(required - given)]


def main() -> int:
    ansible = pathlib.Path(sys.argv[1]) / "ansible"
    roles = sorted(path for path in (ansible / "roles").iterdir() if path.is_dir())
    inventories = sorted(path for path in (ansible / "inventories").iterdir() if path.is_dir())
    specs = {name: spec for role in roles for name, spec in of_specs(role).items()}
    found = [fault for role in roles for fault in check_role(role) + check_use(role, set(specs))]
    found += [fault for inventory in inventories for fault in check_inventory(inventory, specs)]
    if len(specs) < 20 or not inventories:
        found.append(f"only {len(specs)} variables and {len(inventories)} inventories were found")
    if found:
        print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
