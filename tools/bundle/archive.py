"""A folder as tar.zst whose bytes depend on nothing but the files' names, contents and whether they are programs."""
import hashlib
import pathlib
import stat
import subprocess
import tarfile


def files_below(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: pathlib.Path) -> None:
    """SHA256SUMS of all files of the folder, which `sha256sum --check SHA256SUMS` reads."""
    sums = folder / "SHA256SUMS"
    lines = [f"{sha256(path)}  {path.relative_to(folder)}\n" for path in files_below(folder) if path != sums]
    sums.write_text("".join(lines))


def pack(folder: pathlib.Path, out: pathlib.Path, seconds: int) -> None:
    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        program = entry.isdir() or entry.mode & stat.S_IXUSR
        entry.mode = 0o755 if program or entry.issym() else 0o644
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = seconds
        return entry

    part = out.with_name(out.name + ".part")
    # The count of threads does not change the bytes; without any (--single-thread) they would be others.
    command = ["zstd", "--quiet", "--force", "-12", "--long=27", "-T0", "-o", str(part)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as zstd:
        with tarfile.open(fileobj=zstd.stdin, mode="w|", format=tarfile.GNU_FORMAT) as tar:
            tar.add(folder, folder.name, recursive=False, filter=plain)
            for path in sorted(folder.rglob("*")):
                tar.add(path, pathlib.PurePath(folder.name) / path.relative_to(folder), recursive=False, filter=plain)
        zstd.stdin.close()
    if zstd.returncode != 0:
        raise SystemExit(f"{part}: zstd ended with {zstd.returncode}")
    part.rename(out)
