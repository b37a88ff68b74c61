#!/usr/bin/env python3
"""Boots an enclave image as AWS would, under QEMU.

tests/qemu/boot.py IMAGE.EIF [--memory MIB] [--timeout SECONDS] [--programs FOLDER]

Standard output has the console. Succeeds if the image sent its heartbeat and ended its machine by itself: by the keyboard
controller (reboot=k), as on AWS. Without one a kernel would start again and again.

The device that carries virtual sockets lets a guest reach the host by context id 2 alone, where AWS has 3: the image must be one
that asks for 2 (`host_cid` in an enclave's configuration). Nobody signs the evidence that such a machine gives.
"""

import argparse
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

# As AWS's parent instances answer it.
HEARTBEAT_PORT = 9000
HEARTBEAT = b"\xb7"


def main() -> None:
    options = arguments()
    programs = options.programs or pathlib.Path(installed())
    # So that what was started ends, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(boot(programs, options, pathlib.Path(folder)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=pathlib.Path)
    parser.add_argument("--memory", type=int, default=512, help="MiB (512)")
    parser.add_argument("--timeout", type=float, default=60, help="seconds (60)")
    parser.add_argument("--programs", type=pathlib.Path, help="what tests/qemu/install.sh made; it is called otherwise")
    return parser.parse_args()


def installed() -> str:
    command = [pathlib.Path(__file__).parent / "install.sh"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def boot(programs: pathlib.Path, options: argparse.Namespace, folder: pathlib.Path) -> int:
    beaten = threading.Event()
    threading.Thread(target=answer, args=(listener(folder / f"vm.vsock_{HEARTBEAT_PORT}"), beaten), daemon=True).start()
    device = [programs / "vhost-device-vsock", "--guest-cid", "4", "--socket", folder / "v.sock", "--uds-path", folder / "vm.vsock"]
    machine = [programs / "qemu-system-x86_64", "-M", "nitro-enclave,vsock=c0,id=quoth", "-accel", "tcg", "-cpu", "max",
               "-m", str(options.memory), "-smp", "1", "-nographic", "-no-reboot", "-nodefaults", "-device", "i8042",
               "-serial", "stdio", "-kernel", options.image, "-chardev", f"socket,id=c0,path={folder}/v.sock"]
    started = time.monotonic()
    with running(device) as device:
        while not (folder / "v.sock").exists():
            if device.poll() is not None or time.monotonic() > started + 10:
                return say("the device for virtual sockets does not come up")
            time.sleep(0.02)
        with running(machine) as machine:
            try:
                status = machine.wait(options.timeout)
            except subprocess.TimeoutExpired:
                return say(f"still running after {options.timeout:g} s; heartbeat: {'yes' if beaten.is_set() else 'no'}")
    if status or not beaten.is_set():
        return say(f"ended with {status}; heartbeat: {'yes' if beaten.is_set() else 'no'}")
    say(f"ended by itself after {time.monotonic() - started:.1f} s")
    return 0


def listener(path: pathlib.Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    return sock


def answer(sock: socket.socket, beaten: threading.Event) -> None:
    """Sends heartbeats back, as a parent instance does."""
    started = time.monotonic()
    while True:
        connection, _ = sock.accept()
        with connection:
            if (byte := connection.recv(1)) == HEARTBEAT:
                connection.sendall(byte)
                say(f"heartbeat after {time.monotonic() - started:.1f} s")
                beaten.set()


class running:
    """A process that ends with the block."""

    def __init__(self, command: list) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def __enter__(self) -> subprocess.Popen:
        return self.process

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()


def say(line: str) -> int:
    print(f"boot: {line}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    main()
