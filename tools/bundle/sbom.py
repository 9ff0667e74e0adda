"""The bundle's bill of materials as SPDX 2.3 JSON: https://spdx.github.io/spdx-spec/v2.3."""
import dataclasses
import datetime
import hashlib
import json
import pathlib
import re
from urllib.parse import quote

import archive
import debian
import wheels

LISTED = re.compile(r"(BSD-3-Clause|BSD-2-Clause|MIT|Apache-2\.0)$")
PROJECT = "SPDXRef-mimicfleet"


@dataclasses.dataclass
class Part:
    """One package that something in the bundle is of."""

    origin: debian.Package | wheels.Wheel
    libraries: list[pathlib.Path]  # in the bundle; none of one that is compiled into the programs
    programs: set[str]


def _id(text: str) -> str:
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")


def _sha1(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()


class Document:
    def __init__(self, bundle: pathlib.Path, version: str, revision: str, seconds: int) -> None:
        self._bundle = bundle
        self._version = version
        self._revision = revision
        self._created = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._files: dict[pathlib.Path, dict] = {}
        self._packages: list[dict] = []
        self._relations: list[dict] = []
        self._licences: list[dict] = []

    def add_ours(self) -> None:
        everything = [path for path in archive.files_below(self._bundle) if path not in self._files]
        package = self._package(PROJECT, "mimicfleet", self._version, everything)
        package["supplier"] = "NOASSERTION"
        where = "share/doc/mimicfleet"
        package["licenseDeclared"] = "Apache-2.0"
        package["licenseComments"] = f"See {where}/LICENSE and {where}/NOTICE."
        package["sourceInfo"] = f"revision {self._revision}"
        package["primaryPackagePurpose"] = "APPLICATION"

    def add(self, part: Part) -> None:
        origin = part.origin
        package = self._package(_id(f"Package-{origin.name}"), origin.name, origin.version, part.libraries)
        package["primaryPackagePurpose"] = "LIBRARY"
        if isinstance(origin, debian.Package):
            self._describe_debian(package, origin)
        else:
            self._describe_wheel(package, origin)
        self._relate(PROJECT, "DYNAMIC_LINK" if part.libraries else "STATIC_LINK", package["SPDXID"])

    def json(self) -> str:
        document = {
            "spdxVersion": "SPDX-2.3",
            "dataLicense": "CC0-1.0",
            "SPDXID": "SPDXRef-DOCUMENT",
            "name": self._bundle.name,
            "creationInfo": {"created": self._created, "creators": [f"Tool: mimicfleet-bundle-{self._version}"]},
            "documentDescribes": [PROJECT],
            "packages": sorted(self._packages, key=lambda package: package["SPDXID"]),
            "files": [self._files[path] for path in sorted(self._files)],
            "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": PROJECT}] + self._relations,
            "hasExtractedLicensingInfos": sorted(self._licences, key=lambda licence: licence["licenseId"]),
        }
        digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
        document["documentNamespace"] = f"https://spdx.org/spdxdocs/{self._bundle.name}-{digest}"
        return json.dumps(document, indent=1, sort_keys=True) + "\n"

    def _package(self, identifier: str, name: str, version: str, files: list[pathlib.Path]) -> dict:
        package = {
            "SPDXID": identifier,
            "name": name,
            "versionInfo": version,
            "downloadLocation": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "licenseConcluded": "NOASSERTION",
            "filesAnalyzed": bool(files),
        }
        if files:
            entries = [self._file(path) for path in files]
            sums = sorted(entry["checksums"][0]["checksumValue"] for entry in entries)
            package["packageVerificationCode"] = {"packageVerificationCodeValue": hashlib.sha1("".join(sums).encode()).hexdigest()}
            package["hasFiles"] = [entry["SPDXID"] for entry in entries]
        self._packages.append(package)
        return package

    def _file(self, path: pathlib.Path) -> dict:
        name = str(path.relative_to(self._bundle))
        entry = {
            "SPDXID": _id(f"File-{name}-{hashlib.sha1(name.encode()).hexdigest()[:8]}"),
            "fileName": "./" + name,
            "checksums": [
                {"algorithm": "SHA1", "checksumValue": _sha1(path)},
                {"algorithm": "SHA256", "checksumValue": archive.sha256(path)},
            ],
            "licenseConcluded": "NOASSERTION",
            "copyrightText": "NOASSERTION",
        }
        self._files[path] = entry
        return entry

    def _describe_debian(self, package: dict, origin: debian.Package) -> None:
        address = f"pkg:deb/debian/{origin.name}@{quote(origin.version, safe='')}?arch=amd64&upstream={origin.source}%40{quote(origin.source_version, safe='')}"
        package["supplier"] = "Organization: Debian"
        package["sourceInfo"] = f"Debian source package {origin.source} {origin.source_version}"
        package["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": address}]
        names = origin.licence_names()
        where = f"share/doc/mimicfleet/licences/debian/{origin.name}/copyright"
        package["licenseComments"] = f"All of it: {where}" + (f"; names in there: {', '.join(names)}" if names else "")
        package["licenseDeclared"] = origin.licence() or self._reference(origin.name, f"See {where} in the bundle.")

    def _describe_wheel(self, package: dict, origin: wheels.Wheel) -> None:
        package["supplier"] = "NOASSERTION"
        package["downloadLocation"] = "NOASSERTION"  # its purl says where it is from
        package["externalRefs"] = [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": f"pkg:pypi/{origin.name}@{origin.version}"}
        ]
        where = f"share/doc/mimicfleet/licences/wheels/{origin.name}"
        package["licenseComments"] = f"All of it: {where}"
        listed = LISTED.fullmatch(origin.licence)
        package["licenseDeclared"] = origin.licence if listed else self._reference(origin.name, f"{origin.licence}: see {where} in the bundle.")

    def _reference(self, name: str, text: str) -> str:
        identifier = "LicenseRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", name)
        self._licences.append({"licenseId": identifier, "extractedText": text, "name": f"Licence of {name}"})
        return identifier

    def _relate(self, whole: str, kind: str, part: str) -> None:
        self._relations.append({"spdxElementId": whole, "relationshipType": kind, "relatedSpdxElement": part})
