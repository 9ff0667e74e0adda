"""The PyPI wheels that tools/setup/libtorch unpacked: which library is of which, and what they say of themselves."""
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
        self._wheels: dict[str, Wheel] = {}  # by file below deps
        for record in sorted(deps.glob("*.dist-info/RECORD")):
            wheel = self._read(record.parent)
            for line in record.read_text().splitlines():
                self._wheels[line.split(",")[0]] = wheel

    def owner(self, library: pathlib.Path) -> Wheel:
        name = str(library.relative_to(self._deps))
        if name not in self._wheels:
            raise SystemExit(f"{library}: no wheel's papers name it, so its licence is not known; run tools/setup/libtorch --papers")
        return self._wheels[name]

    @staticmethod
    def _read(folder: pathlib.Path) -> Wheel:
        meta = email.parser.HeaderParser().parsestr((folder / "METADATA").read_text(encoding="utf-8"))
        papers = tuple(sorted(path for path in (folder / "licenses").rglob("*") if path.is_file()))
        if not papers:
            raise SystemExit(f"{folder}: this wheel has no licence in it")
        return Wheel(meta["Name"], meta["Version"], meta["License-Expression"] or meta["License"] or "", papers)
