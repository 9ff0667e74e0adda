"""compare_bundles.py ONE.tar.zst OTHER.tar.zst: whether two packings are the same bytes. If not, names the members that differ and in
what, those first that others follow from."""
import contextlib
import dataclasses
import hashlib
import pathlib
import subprocess
import sys
import tarfile
from collections.abc import Iterator

# Differ whenever another member does.
FOLLOW = ("SHA256SUMS", "sbom.spdx.json")
TOLD = 20


@dataclasses.dataclass
class Member:
    headers: dict[str, object]
    digest: str


@contextlib.contextmanager
def opened(bundle: pathlib.Path) -> Iterator[tarfile.TarFile]:
    with subprocess.Popen(["zstd", "--quiet", "--decompress", "--long=27", "--stdout", str(bundle)], stdout=subprocess.PIPE) as zstd:
        with tarfile.open(fileobj=zstd.stdout, mode="r|") as tar:
            yield tar
        zstd.stdout.read()


def members(bundle: pathlib.Path) -> dict[str, Member]:
    found = {}
    with opened(bundle) as tar:
        for entry in tar:
            headers = {"type": entry.type, "mode": oct(entry.mode), "owner": (entry.uid, entry.gid, entry.uname, entry.gname)}
            headers |= {"time": entry.mtime, "link": entry.linkname, "size": entry.size}
            file = tar.extractfile(entry)
            name = entry.name.partition("/")[2] or "its folder"
            found[name] = Member(headers, hashlib.file_digest(file, "sha256").hexdigest() if file else "")
    return found


def content(bundle: pathlib.Path, name: str) -> bytes:
    with opened(bundle) as tar:
        for entry in tar:
            if entry.name.partition("/")[2] == name:
                return tar.extractfile(entry).read()
    raise AssertionError(name)


def first_difference(one: bytes, other: bytes) -> str:
    low, high = 0, min(len(one), len(other))
    while low < high:  # the longest common beginning
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    around = slice(max(0, low - 24), low + 40)
    return f"contents from byte {low} on: {one[around]!r} and {other[around]!r}"


def differences(one: pathlib.Path, other: pathlib.Path) -> list[str]:
    ours, theirs = members(one), members(other)
    found = []
    for name in sorted(ours.keys() | theirs.keys(), key=lambda name: (name in FOLLOW, name)):
        if name not in ours or name not in theirs:
            found.append(f"{name}: only in {one if name in ours else other}")
            continue
        a, b = ours[name], theirs[name]
        what = [f"{key} {a.headers[key]!r} and {b.headers[key]!r}" for key in a.headers if a.headers[key] != b.headers[key]]
        if a.digest != b.digest:
            what.append("contents" if found else first_difference(content(one, name), content(other, name)))
        if what:
            found.append(f"{name}: {'; '.join(what)}")
    if not found and list(ours) != list(theirs):
        place, (a, b) = next((at, pair) for at, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1])
        found.append(f"the order of members: number {place + 1} is {a} and {b}")
    return found or ["the members are the same: the archive or its compression differs"]


def main() -> None:
    one, other = map(pathlib.Path, sys.argv[1:])
    with one.open("rb") as a, other.open("rb") as b:
        if hashlib.file_digest(a, "sha256").digest() == hashlib.file_digest(b, "sha256").digest():
            return
    found = differences(one, other)
    print("\n".join(found[:TOLD] + ([f"and {len(found) - TOLD} more"] if len(found) > TOLD else [])))
    sys.exit(1)


if __name__ == "__main__":
    main()
