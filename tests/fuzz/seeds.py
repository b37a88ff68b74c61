#!/usr/bin/env python3
"""tests/fuzz/seeds.py VECTORS OUT: writes captured evidence as fuzzing seeds, for `document`, `report`, `certificate` and `crl`."""

import json
import pathlib
import struct
import sys

vectors, out = map(pathlib.Path, sys.argv[1:])
manifest = json.loads((vectors / "MANIFEST.json").read_text())["vectors"]


def put(target: str, name: str, data: bytes) -> None:
    folder = out / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def table(parts: list[bytes]) -> bytes:
    offset = 24 * (len(parts) + 1)
    head = b""
    for part in parts:
        head += b"\x01" * 16 + struct.pack("<II", offset, len(part))
        offset += len(part)
    return head + bytes(24) + b"".join(parts)


for vector in manifest:
    name = vector["name"].split("/")[-1]
    if vector["kind"] == "nitro-attestation-document":
        put("document", name, (vectors / vector["name"]).read_bytes())
    if vector["kind"] == "snp-report" and vector.get("endorsement"):
        family = vector["family"]
        between = f"sev-vlek-{family}" if vector["signing_key"] == "vlek" else f"sev-{family}"
        files = [f"vek/{vector['endorsement'][0]}", f"ca/{between}.der", f"ca/ark-{family}.der"]
        parts = [(vectors / "snp" / file).read_bytes() for file in files]
        parts += [path.read_bytes() for path in (vectors / "snp/crl").glob(f"*{family}*")]
        put("report", name, (vectors / vector["name"]).read_bytes() + table(parts))

for path in [*(vectors / "snp/ca").glob("*.der"), *(vectors / "snp/vek").glob("*.der"), *(vectors / "nitro").glob("*.der")]:
    put("certificate", path.name, path.read_bytes())
for path in (vectors / "snp/crl").iterdir():
    put("crl", path.name, path.read_bytes())
