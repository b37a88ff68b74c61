"""Prepares a Python environment with the official openai client in the cache, and prints its interpreter."""

import os
import pathlib
import subprocess
import sys

PACKAGES = ["openai==3.54.0"]


def main() -> None:
    cache = pathlib.Path(os.environ["QUOTH_CACHE"])
    home = cache / "-".join(["client"] + [package.replace("==", "-") for package in PACKAGES])
    python, done = home / "bin" / "python", home / "complete"
    if not done.exists():
        print(f"Installing {', '.join(PACKAGES)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True, stdout=sys.stderr)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(pip + PACKAGES, check=True, stdout=sys.stderr)
        done.touch()
    print(python)


if __name__ == "__main__":
    main()
