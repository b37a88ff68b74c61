#!/usr/bin/env python3
"""Prints the folder of captured evidence for tests: tests/evidence/find.py [--fetched]

The folder is QUOTH_VECTORS, or else ../shared/vectors beside the repository. Where neither is there, or with --fetched,
it is a smaller set in the cache: genuine documents, reports and certificates out of packages of crates.io. sources.json
names each package and each file with its licence and SHA-256. None of it is committed.
With QUOTH_REQUIRE_VECTORS=1 a missing folder is an error.
"""

import base64
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "sources.json"
BESIDE = HERE.parents[2] / "shared/vectors"


def main() -> None:
    folder = pathlib.Path(os.environ.get("QUOTH_VECTORS") or BESIDE)
    if sys.argv[1:] == ["--fetched"]:
        folder = fetched()
    elif not (folder / "MANIFEST.json").exists():
        if os.environ.get("QUOTH_VECTORS") or os.environ.get("QUOTH_REQUIRE_VECTORS") == "1":
            sys.exit(f"no captured evidence at {folder}; set QUOTH_VECTORS")
        folder = fetched()
    print(folder.resolve())


def fetched() -> pathlib.Path:
    """The set from packages, fetched once."""
    cache = pathlib.Path(os.environ.get("QUOTH_CACHE") or pathlib.Path.home() / ".cache/quoth")
    recipe = hashlib.sha256(SOURCES.read_bytes() + pathlib.Path(__file__).read_bytes()).hexdigest()
    folder = cache / f"evidence-{recipe[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock-evidence", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            print("Fetching captured evidence from crates.io (once)", file=sys.stderr)
            work = pathlib.Path(tempfile.mkdtemp(dir=cache, prefix=".evidence-"))
            try:
                write(work)
                work.chmod(0o755)
                work.rename(folder)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return folder


def write(folder: pathlib.Path) -> None:
    """Writes all files, and a manifest as that of the larger set."""
    for part in ("nitro", "snp/ca", "snp/vek", "snp/crl"):
        (folder / part).mkdir(parents=True)
    vectors = []
    for package in json.loads(SOURCES.read_text()):
        with tarfile.open(crate(package)) as archive:
            for file in package["files"]:
                source = f"{package['name']}-{package['version']}"
                data = archive.extractfile(f"{source}/{file['path']}").read()
                data = FORMS[file["form"]](data, file.get("nth", 0))
                check(f"{file['path']} of {source}", data, file["sha256"])
                vector = file["vector"]
                (folder / vector["name"]).write_bytes(data)
                origin = {"package": source, "path": file["path"]}
                vectors.append({**vector, "sha256": file["sha256"], "source": origin, "licence": package["licence"]})
    (folder / "MANIFEST.json").write_text(json.dumps({"vectors": vectors}, indent=1))


def crate(package: dict) -> pathlib.Path:
    """The package as cargo downloads it."""
    name, version = package["name"], package["version"]
    home = pathlib.Path(os.environ.get("CARGO_HOME") or pathlib.Path.home() / ".cargo")
    pattern = f"registry/cache/*/{name}-{version}.crate"
    if not any(home.glob(pattern)):
        # To show a package, cargo downloads it. Nothing of it is built or run.
        command = ["cargo", "info", "--quiet", "--registry", "crates-io", f"{name}@{version}"]
        subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.DEVNULL)
    path = next(home.glob(pattern), None) or sys.exit(f"cargo did not download {name} {version}")
    check(path.name, path.read_bytes(), package["sha256"])
    return path


def check(what: str, data: bytes, sha256: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sys.exit(f"{what}: expected SHA-256 {sha256}, got {found}")


def from_base64(text: bytes) -> bytes:
    """Of either alphabet, padded or not."""
    return base64.urlsafe_b64decode(text.replace(b"+", b"-").replace(b"/", b"_") + b"==")


def report_of_json(data: bytes, _: int) -> bytes:
    """A report of SEV-SNP, version 2, from the fields that the crate `sev` writes as JSON."""
    fields = json.loads(data)

    def bytes_of(*keys: str) -> bytes:
        return b"".join(bytes(fields[key]) for key in keys)

    def tcb(key: str) -> bytes:
        parts = fields[key]
        return bytes([parts["bootloader"], parts["tee"], *parts["_reserved"], parts["snp"], parts["microcode"]])

    def firmware(which: str, reserved: str) -> bytes:
        return bytes(fields[f"{which}_{part}"] for part in ("build", "minor", "major")) + bytes([fields[reserved]])

    signature = fields["signature"]
    return b"".join([
        struct.pack("<IIQ", fields["version"], fields["guest_svn"], fields["policy"]),
        bytes_of("family_id", "image_id"),
        struct.pack("<II", fields["vmpl"], fields["sig_algo"]),
        tcb("current_tcb"),
        struct.pack("<QII", fields["plat_info"], fields["_author_key_en"], fields["_reserved_0"]),
        bytes_of("report_data", "measurement", "host_data", "id_key_digest", "author_key_digest"),
        bytes_of("report_id", "report_id_ma"),
        tcb("reported_tcb"),
        bytes_of("_reserved_1", "chip_id"),
        tcb("committed_tcb"),
        firmware("current", "_reserved_2"),
        firmware("committed", "_reserved_3"),
        tcb("launch_tcb"),
        bytes_of("_reserved_4"),
        *(bytes(signature[part]) for part in ("r", "s", "_reserved")),
    ])


# How a file holds a piece of evidence; `nth` counts those that one file holds.
FORMS = {
    "raw": lambda data, _: data,
    "hex": lambda data, nth: bytes.fromhex(re.findall(rb"[0-9a-fA-F]{1000,}", data)[nth].decode()),
    "base64": lambda data, nth: from_base64(re.findall(rb"[A-Za-z0-9+/_-]{1000,}", data)[nth]),
    "pem": lambda data, nth: base64.b64decode(re.findall(rb"BEGIN CERTIFICATE-----(.*?)-----END", data, re.S)[nth]),
    # What Azure's paravisor puts around a report.
    "azure": lambda data, _: data[32:1216],
    "json": report_of_json,
}


if __name__ == "__main__":
    main()
