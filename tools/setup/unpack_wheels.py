"""Unpacks the parts of the torch and nvidia wheels that a C++ program needs, and the papers that say what they are: version, files,
licences. --papers unpacks only these."""
import argparse
import pathlib
import zipfile

TORCH_CPU = {"libtorch_cpu.so", "libc10.so", "libgomp.so.1"}
TORCH_CUDA = {"libtorch_cuda.so", "libtorch_cuda_linalg.so", "libc10_cuda.so", "libcaffe2_nvrtc.so", "libtorch_nvshmem.so"}
NVIDIA_CPU = ("libcudart.so", "libcupti.so")


def paper(path: pathlib.PurePosixPath) -> bool:
    if path.parts[0] == "nvidia":
        return path.name.startswith("LICENSE")  # where an older wheel has it
    return path.parts[0].startswith(("torch-", "nvidia_")) and (path.name in ("METADATA", "RECORD") or "licenses" in path.parts)


def wanted(name: str, cuda: bool) -> bool:
    path = pathlib.PurePosixPath(name)
    if name.startswith("torch/include/"):
        return True
    if name.startswith("torch/lib/"):
        return path.name in TORCH_CPU or (cuda and path.name in TORCH_CUDA)
    if name.startswith("nvidia/") and ".so" in path.name:
        return cuda or path.name.startswith(NVIDIA_CPU)
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuda", choices=("yes", "no"), required=True)
    parser.add_argument("--papers", action="store_true")
    parser.add_argument("wheels", type=pathlib.Path)
    parser.add_argument("destination", type=pathlib.Path)
    args = parser.parse_args()
    for wheel in sorted(args.wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                if entry.is_dir():
                    continue
                if paper(pathlib.PurePosixPath(entry.filename)) or (not args.papers and wanted(entry.filename, args.cuda == "yes")):
                    archive.extract(entry, args.destination)
    if not (args.destination / "torch/lib/libtorch_cpu.so").exists():
        raise SystemExit(f"{args.wheels}: no torch wheel with libtorch_cpu.so in it")


if __name__ == "__main__":
    main()
