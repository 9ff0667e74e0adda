"""Which Debian packages files come from, and under which licence."""
import dataclasses
import pathlib
import re
import subprocess

# The short names of Debian's copyright files that mean one licence of the SPDX list.
SPDX = {
    "apache-2.0": "Apache-2.0",
    "boost-1.0": "BSL-1.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsl-1.0": "BSL-1.0",
    "expat": "MIT",
    "ftl": "FTL",
    "gpl-2": "GPL-2.0-only",
    "gpl-2+": "GPL-2.0-or-later",
    "gpl-3+": "GPL-3.0-or-later",
    "isc": "ISC",
    "lgpl-2": "LGPL-2.0-only",
    "lgpl-2+": "LGPL-2.0-or-later",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-2.1+": "LGPL-2.1-or-later",
    "lgpl-3+": "LGPL-3.0-or-later",
    "libpng": "Libpng",
    "mpl-2.0": "MPL-2.0",
    "zlib": "Zlib",
}
# What copyright files say in prose of the libraries as Debian builds them ("the resulting binaries are licensed under GPL v2+"), or of
# the main part of a source with many small ones.
AS_BUILT = {"ffmpeg": "GPL-2.0-or-later", "x264": "GPL-2.0-or-later", "x265": "GPL-2.0-or-later", "xvidcore": "GPL-2.0-or-later"}


@dataclasses.dataclass(frozen=True)
class Package:
    name: str
    version: str
    source: str
    source_version: str

    @property
    def copyright(self) -> pathlib.Path:
        return pathlib.Path("/usr/share/doc") / self.name / "copyright"

    def licence_names(self) -> list[str]:
        """All names in the machine-readable copyright file, its packaging's and build scripts' among them."""
        return sorted(set(re.findall(r"^License:[ \t]*(\S.*?)[ \t]*$", self._machine_readable(), re.MULTILINE)))

    def licence(self) -> str | None:
        """As SPDX has it, where all of the source but Debian's packaging is under one licence, so that there is no doubt."""
        if self.source in AS_BUILT:
            return AS_BUILT[self.source]
        names = set()
        for paragraph in re.split(r"\n\s*\n", self._machine_readable()):
            if re.match(r"Files:(?!\s*debian/\S*\s*$)", paragraph, re.MULTILINE):
                found = re.search(r"^License:[ \t]*(\S.*?)[ \t]*$", paragraph, re.MULTILINE)
                names.add(SPDX.get(found[1].lower()) if found else None)
        return names.pop() if len(names) == 1 else None

    def _machine_readable(self) -> str:
        text = self.copyright.read_text(encoding="utf-8", errors="replace")
        return text if text.startswith("Format") else ""


def _spellings(path: pathlib.Path) -> list[str]:
    """Packages name files as they were before /lib became a link to /usr/lib, or after."""
    real = str(path.resolve())
    return [real, real.removeprefix("/usr"), "/usr" + real]


def owners(paths: list[pathlib.Path]) -> dict[pathlib.Path, Package]:
    if not paths:
        return {}
    spellings = [spelling for path in paths for spelling in _spellings(path)]
    found = subprocess.run(["dpkg-query", "--search", *spellings], capture_output=True, text=True).stdout
    names = {path: name for name, path in re.findall(r"^([^\s,:]+)(?::\w+)?(?:, \S+)*: (/.*)$", found, re.MULTILINE)}
    packages = named(sorted(set(names.values())))
    result = {}
    for path in paths:
        name = next((names[spelling] for spelling in _spellings(path) if spelling in names), None)
        if name is None:
            raise SystemExit(f"{path}: no Debian package has this file, so its version and licence are not known; install it from a package")
        result[path] = packages[name]
    return result


def named(names: list[str]) -> dict[str, Package]:
    """The installed packages of these names."""
    form = "${Package}\t${Version}\t${source:Package}\t${source:Version}\n"
    out = subprocess.run(["dpkg-query", "--show", "--showformat", form, *names], check=True, capture_output=True, text=True).stdout
    packages = {line.split("\t")[0]: Package(*line.split("\t")) for line in out.splitlines()}
    for package in packages.values():
        if not package.copyright.is_file():
            raise SystemExit(f"{package.copyright}: the licence of {package.name} is missing on this system; a bundle needs it")
    return packages
