"""llama.cpp's own sources, as llama-cpp-python's source package carries them."""

import hashlib
import pathlib
import subprocess
import sys
import tarfile
from typing import Callable

# The release whose llama.cpp is nearest to the crate's. A newer crate may need a newer one to compile.
PACKAGE = "llama-cpp-python==0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
ROOT = ("vendor", "llama.cpp")


def fetch(work: pathlib.Path, wanted: Callable[[pathlib.PurePath], bool] = lambda path: True) -> pathlib.Path:
    """Writes those of llama.cpp's files whose path is wanted under `work` and returns their folder."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    name = PACKAGE.split("==")[0]
    subprocess.run([*pip, "--no-binary", name, "--dest", work, PACKAGE], check=True, stdout=sys.stderr)
    archive = next(work.glob("*.tar.gz"))
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{PACKAGE}: expected SHA-256 {SHA256}, got {found}")
    folder = work / "llama.cpp"
    with tarfile.open(archive) as package:
        for member in package:
            parts = pathlib.PurePath(member.name).parts[1:]
            path = pathlib.PurePath(*parts[len(ROOT):]) if parts[: len(ROOT)] == ROOT else None
            if path and member.isfile() and wanted(path):
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(package.extractfile(member).read())
                file.chmod(member.mode)
    return folder
