#!/usr/bin/env python3
"""Builds llama-bench and batched-bench against the libraries that the engine links, and prints their folder.

Usage: peers.py OUT_DIR, the output folder of the llama-cpp-sys-2 build that the engine is linked with.

The crate carries llama.cpp without these two tools. Their source files come from llama-cpp-python's source
package; everything below them (headers, static libraries, flags) is the crate's own, so that what they measure is the
same llama.cpp. Nothing of it is kept but two programs in the cache, by the hash of all that went into them.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import llama_cpp

TOOLS = ["llama-bench", "batched-bench"]
FLAGS = ["-O3", "-DNDEBUG", "-std=c++17", "-w", "-Wl,--gc-sections"]


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    libraries = sorted((out / "lib").glob("*.a")) + sorted((out / "build/vendor").glob("*/*.a"))
    libraries.append(out / "build/common/libllama-common-base.a")
    system = ["-lgomp", "-lpthread", "-ldl"] + openssl(out)
    recipe = hashlib.sha256(json.dumps([llama_cpp.SHA256, TOOLS, FLAGS, system]).encode())
    for library in libraries:
        recipe.update(hashlib.sha256(library.read_bytes()).digest())
    folder = pathlib.Path(os.environ["QUOTH_CACHE"]) / "peers" / recipe.hexdigest()[:16]
    if not all((folder / tool).exists() for tool in TOOLS):
        folder.mkdir(parents=True, exist_ok=True)
        build(folder, libraries, system)
    print(folder)


def build(folder: pathlib.Path, libraries: list[pathlib.Path], system: list[str]) -> None:
    print(f"Building {' and '.join(TOOLS)} (once)", file=sys.stderr)
    llama = crate() / "llama.cpp"
    include = [f"-I{llama / path}" for path in ("include", "ggml/include", "common", "vendor")]
    group = ["-Wl,--start-group", *map(str, libraries), "-Wl,--end-group"]
    with tempfile.TemporaryDirectory(dir=folder) as work:
        sources = llama_cpp.fetch(pathlib.Path(work), lambda path: path.parts[:-2] == ("tools",)) / "tools"
        for tool in TOOLS:
            part = pathlib.Path(work) / tool
            files = [str(file) for file in sorted((sources / tool).glob("*.cpp"))]
            compiler = [os.environ.get("CXX", "g++"), *FLAGS, *include, f"-I{sources / tool}"]
            subprocess.run([*compiler, *files, "-o", str(part), *group, *system], check=True)
            part.rename(folder / tool)


def crate() -> pathlib.Path:
    """Where cargo keeps the crate's sources."""
    command = ["cargo", "metadata", "--format-version=1", "--locked"]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    package = next(package for package in metadata["packages"] if package["name"] == "llama-cpp-sys-2")
    return pathlib.Path(package["manifest_path"]).parent


def openssl(out: pathlib.Path) -> list[str]:
    """llama.cpp's HTTP part, which nothing here calls, wants OpenSSL where the build found it."""
    cache = (out / "build/CMakeCache.txt").read_text()
    found = any(line.startswith("OPENSSL_SSL_LIBRARY:") and "NOTFOUND" not in line for line in cache.splitlines())
    return ["-lssl", "-lcrypto"] if found else []


if __name__ == "__main__":
    main()
