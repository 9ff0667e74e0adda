"""Folders of clips to measure."""
import pathlib
import struct


def numbered_copies(clip: pathlib.Path, count: int, folder: pathlib.Path) -> list:
    """Copies that decode alike but are different files: each ends in a `free` box with its number."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for number in range(count):
        copy = folder / f"clip{number:03}.mp4"
        copy.write_bytes(clip.read_bytes() + struct.pack(">I4sI", 12, b"free", number))
        copies.append(copy)
    return copies
