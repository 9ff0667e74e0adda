"""units.py ROOT: the systemd units are without a fault and harmless enough, alone and with the drop-in for newer systemd; accounts and folders
are made as they say. Ends with 77 (skipped) where there is no systemd-analyze. Works on a copy below a folder of its own, in which the programs are."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
EXPOSURE = {"mimicfleet-coordinator.service": 3.0, "mimicfleet-worker@.service": 4.0}
BACK_OFF_SINCE = 254  # the systemd that knows the settings of back-off.conf
UNKNOWN_BEFORE = re.compile(r".*/back-off\.conf:\d+: Unknown key( name)? '(RestartSteps|RestartMaxDelaySec)' in section .*, ignoring\.")


def run(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, env={"PATH": "/usr/bin:/usr/sbin:/bin", "SYSTEMD_COLORS": "0", "LC_ALL": "C"})


def make_root(folder: pathlib.Path, units: pathlib.Path) -> pathlib.Path:
    root = folder / "root"
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    (root / "etc/systemd/system").mkdir(parents=True)
    programs = root / "opt/mimicfleet/current/bin"
    programs.mkdir(parents=True)
    for program in ("coordinator", "worker"):
        shutil.copy("/bin/true", programs / program)
    for unit in units.glob("*.service"):
        shutil.copy(unit, root / "etc/systemd/system")
    return root


def verify(root: pathlib.Path, unit: str) -> list[str]:
    done = run("systemd-analyze", "verify", "--man=no", f"--root={root}", unit)
    said = done.stderr.strip() or done.stdout.strip()
    return [f"{unit}: {said or done.returncode}"] if said or done.returncode else []


def check_units(root: pathlib.Path) -> list[str]:
    found = []
    for unit, limit in EXPOSURE.items():
        found += verify(root, unit)
        done = run("systemd-analyze", "security", "--offline=true", f"--root={root}", f"--threshold={int(limit * 10)}", unit)
        if done.returncode != 0:
            found.append(f"{unit}: exposure is over {limit}: {done.stdout.strip().splitlines()[-1:]} {done.stderr.strip()}")
    return found


def check_back_off(root: pathlib.Path, units: pathlib.Path) -> list[str]:
    """The units with the drop-in. An older systemd must say of its two settings that it does not know them, and nothing else."""
    found = []
    version = int(run("systemd-analyze", "--version").stdout.split()[1])
    for unit in EXPOSURE:
        folder = root / f"etc/systemd/system/{unit}.d"
        folder.mkdir()
        shutil.copy(units / "back-off.conf", folder)
        said = "\n".join(verify(root, unit)).removeprefix(f"{unit}: ").splitlines()
        unknown = [line for line in said if UNKNOWN_BEFORE.fullmatch(line)]
        found += [f"{unit} with back-off.conf: {line}" for line in said if line not in unknown or version >= BACK_OFF_SINCE]
        if version < BACK_OFF_SINCE and len(unknown) != 2:
            found.append(f"{unit}: systemd {version} does not look at back-off.conf: {said}")
        shutil.rmtree(folder)
    return found


def check_that_it_can_fail(root: pathlib.Path) -> list[str]:
    unit = root / "etc/systemd/system/mimicfleet-wrong.service"
    unit.write_text("[Service]\nExecStart=/bin/nothing\nMemoryMx=1\n")
    found = [] if verify(root, unit.name) else ["a wrong unit was not noticed"]
    unit.unlink()
    return found


def check_accounts(root: pathlib.Path, units: pathlib.Path) -> list[str]:
    (root / "etc").mkdir(exist_ok=True)
    done = run("systemd-sysusers", f"--root={root}", units / "sysusers.d/mimicfleet.conf")
    if done.returncode != 0:
        return [f"sysusers.d/mimicfleet.conf: {done.stderr.strip()}"]
    group = next((line.split(":")[2] for line in (root / "etc/group").read_text().splitlines() if line.startswith("mimicfleet:")), None)
    users = {line.split(":")[0]: line.split(":")[3] for line in (root / "etc/passwd").read_text().splitlines()}
    return [f"sysusers.d: {user} is not in the group mimicfleet" for user in ("mimicfleet-coordinator", "mimicfleet-worker") if group is None or users.get(user) != group]


def main() -> int:
    if not shutil.which("systemd-analyze"):
        return SKIPPED
    units = pathlib.Path(sys.argv[1]).resolve() / "deploy/systemd"
    with tempfile.TemporaryDirectory() as folder:
        root = make_root(pathlib.Path(folder), units)
        found = check_units(root) + check_back_off(root, units) + check_that_it_can_fail(root) + check_accounts(root, units)
    if found:
        print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
