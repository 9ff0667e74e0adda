"""Bundles made of another one, so that there is something to change to."""
import hashlib
import pathlib
import re
import shutil
import subprocess


def make(bundle: pathlib.Path, folder: pathlib.Path, version: str) -> pathlib.Path:
    """The same programs as another version, named as a bundle for GPUs is."""
    name = f"mimicfleet-{version}-linux-x86_64-cuda"
    subprocess.run(["tar", "--extract", "--file", bundle, "--directory", folder], check=True)
    (folder / re.sub(r"\.tar\.zst$", "", bundle.name)).rename(folder / name)
    made = folder / f"{name}.tar.zst"
    subprocess.run(["tar", "--create", "--use-compress-program=zstd -1 -T0", "--file", made, "--directory", folder, name], check=True)
    shutil.rmtree(folder / name)
    with made.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    made.with_name(made.name + ".sha256").write_text(f"{digest}  {made.name}\n", encoding="utf-8")
    return made
