#!/usr/bin/env python3
"""Does an image measure to what `quoth-images build nitro` says?

tests/qemu/check.py KERNEL [--programs FOLDER]

Builds an image of the kernel and a small first process (probe.c), boots it, and compares the registers in the evidence that the
machine gives with measurements.toml. Needs gcc and a Rust toolchain.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kernel", type=pathlib.Path)
    parser.add_argument("--programs", help="what tests/qemu/install.sh made; it is called otherwise")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        image, told = built(options.kernel.resolve(), pathlib.Path(folder))
        measured = registers(evidence(image, options.programs))
    same = True
    for name, register in zip(["pcr0", "pcr1", "pcr2"], measured):
        same &= register == told[name]
        print(name, register, "as said" if register == told[name] else f"differs: {told[name]}")
    sys.exit(0 if same else 1)


def built(kernel: pathlib.Path, folder: pathlib.Path) -> tuple[pathlib.Path, dict[str, str]]:
    """The image, and its registers as it is said to have them."""
    config = folder / "enclave.toml"
    config.write_text("version = 1\nplatform = \"none\"\n")
    subprocess.run(["gcc", "-static", "-Os", "-Wall", "-Werror", "-o", folder / "probe", HERE / "probe.c"], check=True)
    command = ["cargo", "run", "--quiet", "--locked", "-p", "quoth-images", "--", "build", "nitro", "--config", config,
               "--enclave", folder / "probe", "--kernel", kernel, "--out", folder]
    subprocess.run(command, cwd=HERE.parents[1], check=True, stdout=subprocess.DEVNULL)
    return folder / "image.eif", tomllib.loads((folder / "measurements.toml").read_text())["nitro"]


def evidence(image: pathlib.Path, programs: str | None) -> bytes:
    command = [HERE / "boot.py", image] + (["--programs", programs] if programs else [])
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, errors="replace")
    lines = [line.split()[-1] for line in result.stdout.splitlines() if line.startswith("probe evidence ")]
    if result.returncode or len(lines) != 1:
        sys.exit(f"{result.stdout}\nno evidence")
    return bytes.fromhex(lines[0])


def registers(document: bytes) -> list[str]:
    """Of an attestation document that is trusted to be one: a map from numbers to SHA-384 digests, after its name."""
    at = document.index(b"\x64pcrs") + 5
    count, at = document[at] & 0x1f, at + 1
    found = []
    for number in range(count):
        assert document[at:at + 3] == bytes([number, 0x58, 48]), "registers of another form"
        found.append(document[at + 3:at + 51].hex())
        at += 51
    return found


if __name__ == "__main__":
    main()
