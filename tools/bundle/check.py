"""check.py FOLDER: whether an unpacked bundle is whole: its programs and libraries ask of the system that runs them for nothing but
the C library, and for none newer than Debian 12's; they look for libraries in the bundle alone. Prints what is wrong."""
import pathlib
import re
import sys

import elf

GLIBC = (2, 36)


def _too_new(version: str) -> bool:
    numbers = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", version)
    if not numbers:
        return version != "GLIBC_ABI_DT_RELR"  # which 2.36 has
    return (int(numbers[1]), int(numbers[2])) > GLIBC


def faults(bundle: pathlib.Path) -> list[str]:
    files = {path: elf.read(path) for path in sorted(bundle.rglob("*")) if elf.is_elf(path)}
    libraries = {path.name: file for path, file in files.items() if path.parent == bundle / "lib/mimicfleet"}
    found = []
    for path, file in files.items():
        name = path.relative_to(bundle)
        for needed in file.needed:
            if needed not in libraries and not elf.OF_THE_SYSTEM.fullmatch(needed):
                found.append(f"{name}: needs {needed}, which is not in the bundle")
        found += [f"{name}: looks for libraries in {folder}" for folder in file.paths if not folder.startswith(("$ORIGIN", "${ORIGIN}"))]
        for library, version in sorted(file.wanted):
            if elf.OF_THE_SYSTEM.fullmatch(library):
                if _too_new(version):
                    found.append(f"{name}: needs {version} of {library}, which Debian 12 does not have")
            elif library in libraries and version not in libraries[library].defined:
                found.append(f"{name}: needs {version} of {library}, which that of the bundle does not have")
    return found


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    found = faults(pathlib.Path(sys.argv[1]))
    if found:
        print("\n".join(found))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
