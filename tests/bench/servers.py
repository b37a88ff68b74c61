#!/usr/bin/env python3
"""Builds llama.cpp's server and its batched bench twice, and prints the folder that holds `exact/` and `defaults/`.

`exact` has the engine's build flags, `defaults` llama.cpp's own: whatever this processor has, and its fast kernels. Both come
from the same sources, which are those of llama-cpp-python's source package. Only the programs are kept, in the cache, by
the hash of all that decides what they are.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import llama_cpp

TARGETS = ["llama-server", "llama-batched-bench"]
COMMON = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",
}
# As `.cargo/config.toml` pins them; without GGML_NATIVE llama.cpp builds for AVX2, FMA, F16C and BMI2.
EXACT = {"GGML_NATIVE": "OFF", "GGML_LLAMAFILE": "OFF", "GGML_BLAS": "OFF", "GGML_CPU_REPACK": "ON"}
FLAVOURS = {"exact": {**COMMON, **EXACT}, "defaults": COMMON}


def main() -> None:
    recipe = json.dumps([llama_cpp.SHA256, TARGETS, FLAVOURS, processor()])
    folder = pathlib.Path(os.environ["QUOTH_CACHE"]) / "peers" / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    missing = [flavour for flavour in FLAVOURS if not all((folder / flavour / tool).exists() for tool in TARGETS)]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            sources = llama_cpp.fetch(pathlib.Path(work))
            for flavour in missing:
                build(sources, pathlib.Path(work) / flavour, folder / flavour, FLAVOURS[flavour])
    print(folder)


def build(sources: pathlib.Path, work: pathlib.Path, folder: pathlib.Path, options: dict[str, str]) -> None:
    print(f"Building llama.cpp's server, {folder.name} (once, some minutes)", file=sys.stderr)
    # Variables of the caller's must not change what is built.
    scrubbed = ("GGML_", "LLAMA_", "CMAKE_", "SOURCE_DATE_EPOCH")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(scrubbed)}
    run = lambda *command: subprocess.run(command, check=True, stdout=sys.stderr, env=clean)
    run("cmake", "-S", sources, "-B", work, *(f"-D{name}={value}" for name, value in options.items()))
    run("cmake", "--build", work, "--parallel", str(os.cpu_count()), "--target", *TARGETS)
    folder.mkdir(exist_ok=True)
    for tool in TARGETS:
        shutil.copy2(work / "bin" / tool, folder / tool)


def processor() -> str:
    """What `native` means here."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


if __name__ == "__main__":
    main()
