#!/usr/bin/env python3
"""Takes ONNX's own node tests for the operators that worker/onnx implements out of the onnx 1.13.0 wheel.

  pip download --no-deps onnx==1.13.0
  tools/onnx/extract_node_tests.py onnx-1.13.0-*.whl tests/goldens/onnx_node/node_tests.msgpack

Writes one MessagePack document: {"tests": [{"name", "model", "sets": [{"inputs": [bytes], "outputs": [bytes]}]}]};
models and tensors are the wheel's files, unchanged.
"""
import re
import struct
import sys
import zipfile
from pathlib import Path

PREFIX = "onnx/backend/test/data/node/"


def implemented_operators(folder):
    pattern = re.compile(r'(?:Operator\{|unary\(|binary\(|reduction\()"(\w+)"')
    return {name for path in sorted(folder.glob("kernels_*.cpp")) for name in pattern.findall(path.read_text())}


def fields(message):
    """(field number, value) of a serialized protobuf message; values are ints or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 2: None, 5: 4}[key & 7]
        size = varint() if size is None else size
        yield key >> 3, message[at:at + size]
        at += size


def operators(model):
    graph = next(value for number, value in fields(model) if number == 7)
    for number, node in fields(graph):
        if number == 1:
            yield next(value for field, value in fields(node) if field == 4).decode()


def packed(value):
    """MessagePack with the widest length fields: simple, and a few bytes longer."""
    if isinstance(value, str):
        return struct.pack(">BI", 0xDB, len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return struct.pack(">BI", 0xC6, len(value)) + value
    if isinstance(value, list):
        return struct.pack(">BI", 0xDD, len(value)) + b"".join(map(packed, value))
    return struct.pack(">BI", 0xDF, len(value)) + b"".join(packed(k) + packed(v) for k, v in value.items())


def numbered(archive, folder, kind):
    names = sorted((n for n in archive if re.fullmatch(re.escape(folder) + kind + r"_\d+\.pb", n)),
                   key=lambda n: int(n.rsplit("_", 1)[1][:-3]))
    return [archive[n] for n in names]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    wanted = implemented_operators(Path(__file__).resolve().parents[2] / "worker" / "onnx")
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        archive = {n: wheel.read(n) for n in wheel.namelist() if n.startswith(PREFIX) and n.endswith((".onnx", ".pb"))}
    tests = []
    for path in sorted(n for n in archive if n.endswith("/model.onnx")):
        if not set(operators(archive[path])) <= wanted:
            continue
        folder = path[:-len("model.onnx")]
        sets = sorted({n[:n.rindex("/") + 1] for n in archive if n.startswith(folder + "test_data_set_")})
        tests.append({"name": folder[len(PREFIX):-1], "model": archive[path],
                      "sets": [{"inputs": numbered(archive, s, "input"), "outputs": numbered(archive, s, "output")}
                               for s in sets]})
    Path(sys.argv[2]).write_bytes(packed({"tests": tests}))
    print(f"{len(tests)} tests of {len(wanted)} operators")


if __name__ == "__main__":
    main()
