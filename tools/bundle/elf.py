"""What an ELF file asks of the dynamic linker, read with binutils' readelf, and which libraries a set of programs needs.

    elf.py [--prefer DIR] PROGRAM…    prints the libraries that the programs need of this system, without the C library's"""
import argparse
import dataclasses
import pathlib
import re
import subprocess

# Come with glibc or with NVIDIA's driver and have to be those of the system that runs the programs.
OF_THE_SYSTEM = re.compile(
    r"(ld-linux-x86-64|lib(c|m|dl|rt|pthread|resolv|util|anl|nsl|mvec|thread_db|BrokenLocale|nss_\w+)|lib(cuda|nvidia-[\w-]+))\.so(\.[\d.]+)?$"
)


@dataclasses.dataclass(frozen=True)
class Elf:
    soname: str
    needed: tuple[str, ...]
    paths: tuple[str, ...]  # RPATH and RUNPATH
    wanted: frozenset[tuple[str, str]]  # (library, version) of its symbols
    defined: frozenset[str]  # versions


def is_elf(path: pathlib.Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def read(path: pathlib.Path) -> Elf:
    text = subprocess.run(["readelf", "-dVW", str(path)], check=True, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin"}).stdout
    dynamic = {kind: [] for kind in ("SONAME", "NEEDED", "RPATH", "RUNPATH")}
    for kind, value in re.findall(r"\((SONAME|NEEDED|RPATH|RUNPATH)\).*\[(.*)\]", text):
        dynamic[kind].append(value)
    wanted = set()
    defined = set()
    library = ""
    for line in text.splitlines():
        if match := re.search(r"Version: 1\s+File: (\S+)\s+Cnt:", line):
            library = match[1]
        elif match := re.search(r"Name: (\S+)\s+Flags: none\s+Version: \d+", line):  # those that are WEAK may be missing
            wanted.add((library, match[1]))
        elif match := re.search(r"Rev: 1\s+Flags: .*Name: (\S+)", line):
            defined.add(match[1])
    return Elf(
        soname=(dynamic["SONAME"] or [path.name])[0],
        needed=tuple(dynamic["NEEDED"]),
        paths=tuple(part for value in dynamic["RPATH"] + dynamic["RUNPATH"] for part in value.split(":") if part),
        wanted=frozenset(wanted),
        defined=frozenset(defined),
    )


def system_libraries() -> dict[str, pathlib.Path]:
    """Soname → file, as the dynamic linker of this system finds them."""
    text = subprocess.run(["/sbin/ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    found: dict[str, pathlib.Path] = {}
    for name, path in re.findall(r"^\t(\S+) \(libc6,x86-64[^)]*\) => (.*)$", text, re.MULTILINE):
        found.setdefault(name, pathlib.Path(path))
    return found


def folder_libraries(folders: list[pathlib.Path]) -> dict[str, pathlib.Path]:
    found: dict[str, pathlib.Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.so*")):
            found.setdefault(path.name, path)
    return found


def closure(roots: list[pathlib.Path], libraries: dict[str, pathlib.Path]) -> dict[str, pathlib.Path]:
    """Soname → file of all libraries that these files need, and those that these need; the system's own are left out."""
    found: dict[str, pathlib.Path] = {}
    waiting = list(roots)
    while waiting:
        file = waiting.pop()
        for name in read(file).needed:
            if name in found or OF_THE_SYSTEM.fullmatch(name):
                continue
            if name not in libraries:
                raise SystemExit(f"{file}: needs {name}, which is not installed here; run ./dev setup")
            found[name] = libraries[name]
            waiting.append(found[name])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefer", type=pathlib.Path, action="append", default=[], help="a folder whose libraries come before the system's")
    parser.add_argument("programs", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    found = closure(args.programs, {**system_libraries(), **folder_libraries(args.prefer)})
    for path in sorted(found.values()):
        print(path)


if __name__ == "__main__":
    main()
