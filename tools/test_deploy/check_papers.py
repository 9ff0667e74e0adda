"""check_papers.py FOLDER: whether SHA256SUMS and sbom.spdx.json of an unpacked bundle name every file, and each library's licence is
there. Prints what is wrong."""
import hashlib
import json
import pathlib
import re
import sys

# Written after the file that would name them.
NAMED_BY_NONE = {"sums": {"SHA256SUMS"}, "bill": {"SHA256SUMS", "sbom.spdx.json"}}


def digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def compare(what: str, named: dict[str, str], files: dict[str, str]) -> list[str]:
    found = [f"{what} names {name}, which is not there" for name in sorted(named.keys() - files.keys())]
    found += [f"{what} does not name {name}" for name in sorted(files.keys() - named.keys())]
    return found + [f"{what}: another digest of {name}" for name in sorted(named.keys() & files.keys()) if named[name] != files[name]]


def check_packages(bundle: pathlib.Path, bill: dict) -> list[str]:
    """Every library is of a package other than ours, with version and licence; every reference leads to something."""
    found = []
    known = {entry["SPDXID"]: entry for entry in bill["packages"] + bill["files"]} | {"SPDXRef-DOCUMENT": bill}
    owners: dict[str, list[str]] = {}
    for package in bill["packages"]:
        for file in package.get("hasFiles", []):
            owners.setdefault(file, []).append(package["name"])
        if not package["versionInfo"] or not package["licenseDeclared"]:
            found.append(f"the package {package['name']} has no version or licence")
        licence = package["licenseDeclared"]
        if licence.startswith("LicenseRef-") and licence not in {entry["licenseId"] for entry in bill["hasExtractedLicensingInfos"]}:
            found.append(f"{licence} is not explained")
    for entry in bill["files"]:
        owner = owners.get(entry["SPDXID"], [])
        if len(owner) != 1:
            found.append(f"{entry['fileName']} is of {owner or 'no package'}")
        elif entry["fileName"].startswith("./lib/") and owner == ["mimicfleet"]:
            found.append(f"{entry['fileName']}: no package is named for it")
    for relation in bill["relationships"]:
        found += [f"{end} is nothing" for end in (relation["spdxElementId"], relation["relatedSpdxElement"]) if end not in known]
    licences = bundle / "share/doc/mimicfleet/licences"
    for package in bill["packages"]:
        if package["name"] != "mimicfleet" and not list(licences.glob(f"*/{package['name']}/*")):
            found.append(f"the licence of {package['name']} is not in {licences.name}")
    return found


def check_form(bill: dict) -> list[str]:
    """What SPDX 2.3 asks of a document beyond that (its clauses 6 to 9 and 11)."""
    found = []
    if bill["spdxVersion"] != "SPDX-2.3" or bill["dataLicense"] != "CC0-1.0" or bill["SPDXID"] != "SPDXRef-DOCUMENT":
        found.append("sbom.spdx.json is not a document of SPDX 2.3")
    if not re.fullmatch(r"https?://[^#\s]+", bill["documentNamespace"]):
        found.append(f"{bill['documentNamespace']!r} is no name space")
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", bill["creationInfo"]["created"]):
        found.append(f"{bill['creationInfo']['created']!r} is no time")
    found += [f"{who!r} is no creator" for who in bill["creationInfo"]["creators"] if not re.match("(Person|Organization|Tool): ", who)]
    seen = set()
    for entry in bill["packages"] + bill["files"]:
        if not re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", entry["SPDXID"]) or entry["SPDXID"] in seen:
            found.append(f"{entry['SPDXID']} is no identifier, or that of two things")
        seen.add(entry["SPDXID"])
    sha1 = {entry["SPDXID"]: entry["checksums"][0]["checksumValue"] for entry in bill["files"]}
    for package in bill["packages"]:
        sums = sorted(sha1[file] for file in package.get("hasFiles", []))
        code = package.get("packageVerificationCode", {}).get("packageVerificationCodeValue")
        if package["filesAnalyzed"] != bool(sums) or code != (hashlib.sha1("".join(sums).encode()).hexdigest() if sums else None):
            found.append(f"the package {package['name']} has another verification code than its files have")
        found += [f"{ref['referenceLocator']} is no purl" for ref in package.get("externalRefs", []) if not re.match(r"pkg:(deb/debian|pypi)/[^@\s]+@\S+$", ref["referenceLocator"])]
    found += [f"{entry['fileName']} has no SHA1" for entry in bill["files"] if not re.fullmatch("[0-9a-f]{40}", sha1[entry["SPDXID"]])]
    return found


def main() -> None:
    bundle = pathlib.Path(sys.argv[1])
    files = {str(path.relative_to(bundle)): digest(path) for path in sorted(bundle.rglob("*")) if path.is_file()}
    sums = dict(reversed(line.split("  ", 1)) for line in (bundle / "SHA256SUMS").read_text().splitlines())
    bill = json.loads((bundle / "sbom.spdx.json").read_text())
    named = {entry["fileName"].removeprefix("./"): entry["checksums"][1]["checksumValue"] for entry in bill["files"]}
    without = lambda which: {name: value for name, value in files.items() if name not in NAMED_BY_NONE[which]}
    found = compare("SHA256SUMS", sums, without("sums")) + compare("sbom.spdx.json", named, without("bill"))
    found += check_packages(bundle, bill) + check_form(bill)
    if found:
        print("\n".join(found))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
