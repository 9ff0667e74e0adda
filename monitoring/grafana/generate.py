"""Writes the dashboards beside this file; with --check only says which of them are not what it would write."""
import argparse
import json
import pathlib
import sys

import cold_warm
import fleet
import job
import runbooks
import worker

HERE = pathlib.Path(__file__).resolve().parent


def dashboards() -> dict[str, str]:
    made = {"fleet": fleet.build(), "job": job.build(), "cold_warm": cold_warm.build(), "worker": worker.build(),
            "runbooks": runbooks.build()}
    return {f"{name}.json": json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in made.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    folder = HERE / "dashboards"
    made = dashboards()
    stale = [name for name, content in made.items()
             if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != content]
    stale += sorted(path.name for path in folder.glob("*.json") if path.name not in made)
    if check:
        for name in stale:
            print(f"{folder / name}: not what generate.py makes: run python3 {HERE / 'generate.py'}")
        return 1 if stale else 0
    for name in stale:
        if name in made:
            (folder / name).write_text(made[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
