#!/usr/bin/env python3
"""Do other processors compute the same logits, bit for bit?

tests/exact/machines.py [PROBE]... [--kinds f16,q4_0] [--tokens N] [--models FOLDER] [--libraries FOLDER] [--jobs N]

Every PROBE (default: the engine's example `probe` of the development profile, built here) computes tiny models of every kind of
weights here, by two threads, with another choice of the C library's code or, by --libraries, another system's libraries, and as
other processors under QEMU; each digest must be the first one's. A probe for AArch64 runs under QEMU alone. Standard output has
one line a model, `digest kind profile`: those of two real machines can be compared with diff.

What this shows has limits. QEMU computes each instruction as specified, so it stands for every processor that does so too. It has
no AVX-512: a probe for x86-64-v4 is compared with itself alone. Instructions whose results are their maker's choice (reciprocals
from a table) are emulated otherwise than any processor has them, so a probe with one of them is refused.

Needs a Rust toolchain, or a PROBE and --models with KIND.gguf in it; installs Debian's `qemu-user` if it is missing.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

KINDS = ["f32", "f16", "q8_0", "q4_0", "q4_1", "q5_0", "q4_k_m", "q6_k"]
# By their place in the ELF header: QEMU's program, the processors to try, where the C library for it is.
ELF_MACHINES = {
    62: ("x86_64", "qemu-x86_64", ["Haswell", "EPYC-Rome"], None),
    183: ("aarch64", "qemu-aarch64", ["cortex-a53", "neoverse-n1", "max"], "/usr/aarch64-linux-gnu"),
}
# The makers of processors choose what these give (Intel and AMD differ).
APPROXIMATIONS = re.compile(r"\s(v?r(cp|sqrt)[ps]s|vr(cp|sqrt)(14|28)[ps][sd]|vexp2p[sd])\s")

# A name, what comes before the program, its environment, its options.
Way = tuple[str, list[str | pathlib.Path], dict[str, str], list[str]]


def main() -> None:
    options = arguments()
    probes = options.probe or [built("-p", "quoth-engine", "--example", "probe") / "examples/probe"]
    with tempfile.TemporaryDirectory() as folder:
        models = options.models or write_models(pathlib.Path(folder), options.kinds)
        paths = {kind: models / f"{kind}.gguf" for kind in options.kinds}
        agreed = [check(pathlib.Path(probe), paths, options) for probe in probes]
    sys.exit(0 if all(agreed) else 1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("probe", nargs="*")
    parser.add_argument("--kinds", type=lambda names: names.split(","), default=KINDS)
    parser.add_argument("--tokens", type=int, default=192, help="of the prompt (192); emulation is slow")
    parser.add_argument("--models", type=pathlib.Path, help="a folder with KIND.gguf, instead of tiny models")
    parser.add_argument("--libraries", type=pathlib.Path, help="a folder with another C library and its loader")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    return parser.parse_args()


def built(*what: str) -> pathlib.Path:
    root = pathlib.Path(__file__).resolve().parents[2]
    subprocess.run(["cargo", "build", "--quiet", "--locked", *what], cwd=root, check=True)
    return root / os.environ.get("CARGO_TARGET_DIR", "target") / "debug"


def write_models(folder: pathlib.Path, kinds: list[str]) -> pathlib.Path:
    writer = built("-p", "quoth-tiny-model") / "quoth-tiny-model"
    for kind in kinds:
        subprocess.run([writer, folder / f"{kind}.gguf", "--type", kind, "--shape", "wide"], check=True)
    return folder


def check(probe: pathlib.Path, models: dict[str, pathlib.Path], options: argparse.Namespace) -> bool:
    """Computes everything everywhere; says what differs."""
    say(f"{probe}:")
    agreed = no_approximations(probe)
    ways = machines(probe, next(iter(models.values())), options.libraries)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        run = lambda way, path: pool.submit(digest, probe, path, options.tokens, *way)
        found = {kind: [(name, run(way, path)) for name, *way in ways] for kind, path in models.items()}
        for kind, results in found.items():
            wanted, profile = results[0][1].result()
            if not profile:
                say(f"  {kind:8} {wanted}")
                agreed = False
                continue
            print(wanted, kind, profile, flush=True)
            others = [name for name, result in results if result.result() != (wanted, profile)]
            agreed &= not others
            say(f"  {kind:8} {'differs: ' + '; '.join(others) if others else f'the same {len(results)} times'}")
    return agreed


def machines(probe: pathlib.Path, model: pathlib.Path, libraries: pathlib.Path | None) -> list[Way]:
    """The ways to run it."""
    architecture, qemu, processors, library = ELF_MACHINES[int.from_bytes(probe.read_bytes()[18:20], "little")]
    ways = []
    if architecture == os.uname().machine:
        # Among what the C library has several versions of, it has some for AVX-512; no build runs without FMA.
        choice = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ"}
        ways += [("here", [], {}, []), ("two threads", [], {}, ["--threads", "2"]), ("C library without AVX-512", [], choice, [])]
        if libraries:
            loader = next(iter(libraries.glob("ld-linux-*.so.*")), None) or sys.exit(f"{libraries} has no ld-linux")
            ways.append(("other libraries", [loader, "--library-path", libraries], {}, []))
    if ways and "x86-64-v4" in digest(probe, model, 1, *ways[0][1:])[1]:
        say("  no emulated processors: QEMU has no AVX-512")
    else:
        prefix = [program(qemu)] + (["-L", library] if library else [])
        ways += [(processor, [*prefix, "-cpu", processor], {}, []) for processor in processors]
    say("  computed by: " + "; ".join(name for name, *_ in ways))
    return ways


def digest(probe: pathlib.Path, model: pathlib.Path, tokens: int, before: list[str | pathlib.Path], environment: dict[str, str],
           extra: list[str]) -> tuple[str, str]:
    """The digest of all logits and the profile's name; the rest of the line is about the build."""
    command = [*before, probe, model, "--tokens", str(tokens), *extra]
    result = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    words = result.stdout.split()
    if result.returncode or len(words) < 2:
        return (f"failed ({result.returncode}): {result.stderr.strip()}", "")
    return (words[0], words[1])


def no_approximations(probe: pathlib.Path) -> bool:
    objdump = shutil.which("objdump")
    if not objdump or "x86-64" not in subprocess.run([objdump, "-f", probe], capture_output=True, text=True).stdout:
        say("  instructions: not looked at")
        return True
    found = {}
    with subprocess.Popen([objdump, "-d", "--no-show-raw-insn", probe], stdout=subprocess.PIPE, text=True) as listing:
        for line in listing.stdout:
            if match := APPROXIMATIONS.search(line):
                found[match[1]] = found.get(match[1], 0) + 1
    say(f"  instructions of the maker's choice: {found or 'none'}")
    return not found


def program(name: str) -> str:
    if not shutil.which(name):
        say("Installing qemu-user")
        root = [] if os.geteuid() == 0 else ["sudo"]
        quiet = {"check": True, "stdout": sys.stderr}
        subprocess.run([*root, "apt-get", "update", "-qq"], **quiet)
        subprocess.run([*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq",
                        "--no-install-recommends", "qemu-user"], **quiet)
    return shutil.which(name) or sys.exit(f"{name} is missing; please install Debian's qemu-user")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
