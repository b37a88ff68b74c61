"""Prepares a Python environment with LiteLLM's proxy in the cache, and prints the proxy's program."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

# Wheels only: nothing of a package runs while it is installed.
PIP = ["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
PACKAGES = ["litellm[proxy]==1.102.4"]


def main() -> None:
    recipe = hashlib.sha256(json.dumps([sys.version, PIP, PACKAGES]).encode()).hexdigest()[:16]
    home = pathlib.Path(os.environ["QUOTH_CACHE"]) / "peers" / f"litellm-{recipe}"
    done = home / "complete"
    if not done.exists():
        print(f"Installing {', '.join(PACKAGES)} (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True, stdout=sys.stderr)
        subprocess.run([home / "bin" / "python", "-m", "pip", *PIP, *PACKAGES], check=True, stdout=sys.stderr)
        done.touch()
    print(home / "bin" / "litellm")


if __name__ == "__main__":
    main()
