"""The PyPI wheels that tools/setup/libtorch unpacked: which library is of which, and what they say of themselves."""
import csv
import dataclasses
import email.parser
import pathlib


@dataclasses.dataclass(frozen=True)
class Wheel:
    name: str
    version: str
    licence: str  # as its METADATA has it
    papers: tuple[pathlib.Path, ...]


class Wheels:
    def __init__(self, deps: pathlib.Path) -> None:
        self._deps = deps
        self._papers: dict[str, pathlib.Path] = {}  # folder by file below deps
        for record in sorted(deps.glob("*.dist-info/RECORD")):
            for name in _files(record):
                self._papers[name] = record.parent

    def owner(self, library: pathlib.Path) -> Wheel:
        name = str(library.relative_to(self._deps))
        if name not in self._papers:
            raise SystemExit(f"{library}: no wheel's papers name it, so its licence is not known; run tools/setup/libtorch --papers")
        return self._read(self._papers[name])

    def _read(self, folder: pathlib.Path) -> Wheel:
        meta = email.parser.HeaderParser().parsestr((folder / "METADATA").read_text(encoding="utf-8"))
        papers = {path for path in (folder / "licenses").rglob("*") if path.is_file()}
        if not papers:  # older wheels have it beside the libraries
            papers = {self._deps / name for name in _files(folder / "RECORD") if pathlib.PurePath(name).name.startswith("LICENSE")}
        if not papers or not all(paper.is_file() for paper in papers):
            raise SystemExit(f"{folder}: the licence of this wheel is not there; remove {self._deps}/.libtorch-*-papers-* and try again")
        return Wheel(meta["Name"], meta["Version"], meta["License-Expression"] or meta["License"] or "", tuple(sorted(papers)))


def _files(record: pathlib.Path) -> list[str]:
    with record.open(encoding="utf-8", newline="") as file:
        return [row[0] for row in csv.reader(file) if row]
