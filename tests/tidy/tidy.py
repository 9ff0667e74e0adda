"""The few hard rules of the tree: who may include whom, how long things may be, that every test is registered, that
documents name only what there is.

Prints each violation as file:line: text and exits 1 if there is one."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What each room may include beside itself; headers that lie directly in common/ are for all. `common` alone means all of its rooms.
# Where a folder has no line of its own, that of the folder above it counts.
ROOMS = {
    "common": "",
    "common/wire": "",
    "common/net": "",
    "common/files": "",
    "common/json": "common/wire",
    "common/config": "common/files common/wire",
    "common/discovery": "common/json",
    "common/http": "common/files",
    "common/service": "common/http",
    "common/cli": "common/config",
    "common/media": "common/files",
    "common/model_files": "common/config common/files common/json",
    "jobs": "common/json common/model_files/part_digests.h common/wire",
    "monitoring": "common/files common/http",
    "coordinator": "coordinator/cli",
    "coordinator/scheduler": "jobs",
    "coordinator/store": "common/wire coordinator/scheduler jobs",
    "coordinator/server": "common coordinator/scheduler coordinator/store jobs monitoring",
    "coordinator/config": "common jobs",
    "coordinator/client/plan": "common coordinator/config jobs",
    "coordinator/client/run": "common coordinator/client/plan jobs",
    "coordinator/client/report": "common coordinator/client/plan coordinator/client/run jobs",
    "coordinator/client/compare": "common coordinator/client/plan jobs",
    "coordinator/client/embedded": "common coordinator/client/plan jobs",
    "coordinator/client": "common coordinator/config jobs",
    "coordinator/cli": "common coordinator/client coordinator/config coordinator/server/serve.h jobs",
    "worker": "common jobs monitoring",
    "worker/agent": "common jobs worker/task.h",
    "worker/runner": "common jobs worker/task.h",
    "worker/artefacts": "common jobs",
    "worker/cache": "common jobs",
    "worker/gpu": "common monitoring worker/models/nn/shared_library.h",
    "worker/metrics": "common jobs monitoring worker/cache",
    "worker/onnx": "common worker/models/nn",
    "worker/models": "common jobs/sampling.h worker/onnx",
    "worker/device": "common jobs worker/models",
    "worker/formats": "common jobs worker/models/pose/pose.h",
    "worker/library": "common jobs worker/device worker/models",
    "worker/stages": "common jobs worker/artefacts worker/cache worker/config.h worker/device worker/formats worker/library worker/metrics worker/models worker/runner",
    "worker/cli": "common jobs worker/artefacts/data_port.h worker/cache worker/config.h worker/formats",
}
# Headers of a library and the folders that may include them.
LIBRARY_HOMES = {
    "msgpack": ("common/wire/",),
    "zmq": ("common/net/",),
    "libav": ("common/media/",),
    "libsw": ("common/media/",),
    "seccomp": ("common/media/",),
    "microhttpd": ("common/http/",),
    "prometheus/": ("monitoring/",),
    "utf8proc": ("common/files/",),
    "yaml-cpp/": ("common/config/",),
    "rocksdb/": ("coordinator/store/", "worker/cache/"),
    "ATen/": ("worker/",),
    "c10/": ("worker/",),
    "torch/": ("worker/",),
    "opencv2/": ("worker/models/pose/",),
    "onnx/": ("worker/onnx/",),
    "nlohmann/": ("common/json/",),
    "openssl/": ("common/",),
    "xxhash": ("common/",),
    "spdlog/": ("common/",),
    "toml++/": ("common/config/",),
    "systemd/": ("common/service/",),
    "zlib": ("common/model_files/weights/",),
    "png": ("common/media/",),
    "jpeglib": ("common/media/",),
    "webp/": ("common/media/",),
    "CLI/": ("coordinator/cli/", "worker/cli/", "common/cli/", "coordinator/main.cpp"),
}
MAX_COLUMNS = 100
MAX_PROSE_COLUMNS = 120
MAX_SOURCE_LINES = 600
MAX_FUNCTION_LINES = 70
VAGUE_NAMES = re.compile(r"(^|[_/])(utils?|helpers?|misc)([_./]|$)")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def tracked(*patterns: str) -> list[str]:
    out = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, check=True, capture_output=True, text=True)
    return out.stdout.split()


def room_of(path: str) -> str | None:
    """The folder with rules that a file lies in."""
    folders = [str(folder) for folder in pathlib.PurePosixPath(path).parents]
    return next((folder for folder in folders if folder in ROOMS), None)


def may_include(room: str, target: str) -> bool:
    if target.startswith(room + "/") or re.fullmatch(r"common/\w+\.h", target):
        return True
    return any(target == allowed or target.startswith(allowed + "/") for allowed in ROOMS[room].split())


def check_includes(path: str, lines: list[str]) -> list[str]:
    found = []
    room = room_of(path)
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        if quote == '"':
            if room is not None and not may_include(room, target):
                found.append(f"{path}:{number}: {room}/ may not include {target}")
            continue
        if target in ("torch/torch.h", "torch/all.h", "ATen/ATen.h"):
            found.append(f"{path}:{number}: {target} is far too wide: include the operators that are used")
        if path.startswith("tests/"):
            continue
        for library, homes in LIBRARY_HOMES.items():
            if target.startswith(library) and not path.startswith(homes):
                found.append(f"{path}:{number}: {target} belongs to {' and '.join(homes)}")
    return found


LITERAL = re.compile(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])\'|//.*')
BODY = re.compile(r"\)\s*(const|noexcept|override|final|mutable|try|->\s*[\w:<>,&* ]+|\s)*\{$")
CONTROL = re.compile(r"^\s*(\}\s*)?(else|if|for|while|switch|do|catch|extern)\b")


def function_lengths(lines: list[str]) -> list[tuple[int, int]]:
    """(first line, length) of each function body, by counting braces from a line such as `Status f(int x) {`."""
    found = []
    index = 0
    while index < len(lines):
        code = LITERAL.sub("", lines[index]).rstrip()
        if BODY.search(code) and not CONTROL.match(code):
            depth, end = 0, index
            while end < len(lines):
                code = LITERAL.sub("", lines[end])
                depth += code.count("{") - code.count("}")
                if depth <= 0:
                    break
                end += 1
            found.append((index + 1, end - index + 1))
            index = end
        index += 1
    return found


THROWING_LISTING = re.compile(r"\bfor \([^;]* : [^;]*directory_iterator\(|\bdistance\(.*directory_iterator\(")


def check_listings(path: str, lines: list[str]) -> list[str]:
    """The standard library's iterators throw in a range-for when reading on fails, and nothing catches it."""
    return [f"{path}:{number}: this may throw: use list_folder(), or a loop with increment(error)"
            for number, line in enumerate(lines, 1) if THROWING_LISTING.search(line)]


def check_sizes(path: str, lines: list[str]) -> list[str]:
    found = []
    found += [f"{path}:{number}: {len(line)} columns; at most {MAX_COLUMNS}"
              for number, line in enumerate(lines, 1) if len(line) > MAX_COLUMNS]
    if len(lines) > MAX_SOURCE_LINES:
        found.append(f"{path}:1: {len(lines)} lines; past {MAX_SOURCE_LINES} a file wants to be two")
    for first, length in function_lengths(lines):
        if length > MAX_FUNCTION_LINES:
            found.append(f"{path}:{first}: a function of {length} lines; past {MAX_FUNCTION_LINES} it wants to be two")
    return found


def check_registered(sources: list[str]) -> list[str]:
    """Every source file is named in the CMakeLists.txt of its folder (or of one above it)."""
    found = []
    for path in sources:
        if not path.endswith((".cpp", ".cu", ".cuh")):
            continue
        source = ROOT / path
        for folder in source.relative_to(ROOT).parents:
            listing = ROOT / folder / "CMakeLists.txt"
            name = str(pathlib.PurePosixPath(path).relative_to(folder.as_posix()))
            if listing.exists() and re.search(rf"(^|[\s\"/]){re.escape(name)}($|[\s\")])", listing.read_text()):
                break
        else:
            if path != "tests/fuzz/run_corpus.cpp":
                found.append(f"{path}:1: in no CMakeLists.txt: it is not built")
    return found


def check_tests_can_fail(path: str, lines: list[str]) -> list[str]:
    found = []
    for number, line in enumerate(lines, 1):
        if "DISABLED_" in line:
            found.append(f"{path}:{number}: a disabled test: mend it or remove it")
        if re.search(r"\bsleep_for\b|\busleep\(|[^_]\bsleep\(", line) and "tests/e2e" not in path:
            found.append(f"{path}:{number}: a test that sleeps: use the fake clock or wait for an event")
    return found


LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH_IN_CODE = re.compile(r"`([a-z_]+/[\w./-]*)`")


def anchors(document: pathlib.Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_document(path: str, lines: list[str], folders: set[str]) -> list[str]:
    """Links lead to what is there, and paths that start with a folder of the repository exist."""
    found = []
    for number, line in enumerate(lines, 1):
        for link in LINK.findall(line):
            if re.match(r"[a-z]+:", link):
                continue
            target, _, anchor = link.partition("#")
            document = (ROOT / path).parent / target if target else ROOT / path
            if not document.exists():
                found.append(f"{path}:{number}: the link {link} leads nowhere")
            elif anchor and anchor not in anchors(document):
                found.append(f"{path}:{number}: {target or path} has no heading #{anchor}")
        for code in PATH_IN_CODE.findall(line):
            if code.split("/")[0] in folders and not (ROOT / code).exists():
                found.append(f"{path}:{number}: {code} does not exist")
    return found


def check_prose(path: str, lines: list[str]) -> list[str]:
    """Tables, code, and what a program wrote (between `<!-- …: begin -->` and `<!-- …: end -->`, or all of it) may be wider."""
    if path == "docs/parity.md":  # ./dev parity writes it
        return []
    found = []
    in_code = is_generated = False
    for number, line in enumerate(lines, 1):
        if line.startswith("<!--"):
            is_generated = "begin" in line or "made by" in line
        if line.lstrip().startswith("```"):
            in_code = not in_code
        if len(line) > MAX_PROSE_COLUMNS and " " in line.strip() and not (in_code or is_generated or line.startswith(("|", "`"))):
            found.append(f"{path}:{number}: {len(line)} columns; at most {MAX_PROSE_COLUMNS}")
    return found


def main() -> int:
    sources = tracked("*.h", "*.cpp")
    violations = []
    for path in sources:
        lines = (ROOT / path).read_text().splitlines()
        violations += check_includes(path, lines) + check_sizes(path, lines)
        if VAGUE_NAMES.search(path):
            violations.append(f"{path}:1: a name that says nothing")
        if path.endswith(".h") and "#pragma once" not in lines[:3]:
            violations.append(f"{path}:1: no #pragma once at the top")
        if not path.startswith("tests/"):
            violations += check_listings(path, lines)
        if path.startswith("tests/"):
            violations += check_tests_can_fail(path, lines)
    violations += check_registered(sources + tracked("*.cu", "*.cuh"))
    folders = {name.split("/")[0] for name in tracked() if "/" in name}
    for path in tracked("*.md"):
        lines = (ROOT / path).read_text().splitlines()
        violations += check_document(path, lines, folders) + check_prose(path, lines)
    marks = subprocess.run(["git", "grep", "-nE", "^(<{7}|>{7}) "], cwd=ROOT, capture_output=True, text=True)
    violations += [f"{line}: a conflict that is not resolved" for line in marks.stdout.splitlines()]
    print("\n".join(violations))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
