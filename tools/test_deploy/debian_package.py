"""Builds Debian packages that stand in for those that the test's hosts cannot have."""
import pathlib
import subprocess


def build(folder: pathlib.Path, name: str, version: str, control: str, files: dict[str, str], executable: tuple[str, ...] = ()) -> pathlib.Path:
    """The package's file. `control` is what its control file says besides name and version; `executable` names the files that are programs."""
    tree = folder / name
    lines = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\n{control}"
    for path, text in {"DEBIAN/control": lines, **files}.items():
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755 if path in executable else 0o644)
    package = folder / f"{name}_{version.split(':')[-1]}_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, package], check=True, stdout=subprocess.DEVNULL)
    return package
