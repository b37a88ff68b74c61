#!/usr/bin/env python3
"""Writes the test vectors: `spec.json`, copied from SPEC.md, and `ledger.json`, made by an implementation of its own.

`ledger.json` has logs (RFC 6962), heads signed with secp256k1 (RFC 6979, SEC 1), inclusion paths and forks. The code
below shares nothing with the contracts: it uses hashlib and integers. `make.py --check` compares the files instead."""

import hashlib
import hmac
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
SPEC = HERE / "../../../attestation/SPEC.md"
COPIED = ["receipt-payload", "receipt-payload-upstream", "statement-digest", "salt", "commitment", "answer", "head", "log-root"]


def main() -> None:
    files = {"spec.json": spec(SPEC.read_text()), "ledger.json": ledger()}
    for name, value in files.items():
        text = json.dumps(value, indent=2) + "\n"
        if "--check" not in sys.argv:
            (HERE / name).write_text(text)
        elif (HERE / name).read_text() != text:
            sys.exit(f"test/vectors/{name} is not what test/vectors/make.py writes: run it")


def spec(page: str) -> dict:
    blocks = dict(re.findall(r"^```hex (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    return {name: "0x" + "".join(blocks[name].split()) for name in COPIED}


def ledger() -> dict:
    key = int.from_bytes(sha(b"a settlement key"))
    node = sha(b"a node statement")
    time = 1_796_083_200
    honest = [sha(b"entry %d" % i) for i in range(1000)]
    second = honest[:600] + [sha(b"other entry %d" % i) for i in range(600, 1000)]
    settled = 1000
    proofs = [proof(honest, seq, settled) for seq in (0, 1, 511, 512, 895, 896, 991, 992, 998, 999)]
    return {
        "key": hex0x(address(key)),
        "node": hex0x(node),
        "empty-closed": hex0x(head(key, node, 0, root([]), time, 1)),
        "first": hex0x(head(key, node, 700, root(honest[:700]), time, 0)),
        "settled": hex0x(head(key, node, settled, root(honest), time + 300, 0)),
        "closed": hex0x(head(key, node, settled, root(honest), time + 301, 1)),
        "size": settled,
        "root": hex0x(root(honest)),
        "proofs": {
            "seqs": [p["seq"] for p in proofs],
            "entries": [hex0x(p["entry"]) for p in proofs],
            "paths": [hex0x(b"".join(p["path"])) for p in proofs],
        },
        "forks": {
            "same-size": hex0x(head(key, node, settled, root(second), time + 400, 0)),
            "after-close": hex0x(head(key, node, settled + 1, root(honest + [sha(b"more")]), time + 500, 0)),
            "entry": fork(key, node, time, (second, 650), (honest, settled), 0, 649),
            "subtree": fork(key, node, time, (second, 700), (honest, settled), 6, 9),
        },
    }


def proof(entries: list, seq: int, size: int) -> dict:
    return {"seq": seq, "entry": entries[seq], "path": path(entries[:size], seq, seq + 1)}


def fork(key: int, node: bytes, time: int, a: tuple, b: tuple, level: int, index: int) -> dict:
    (first, past) = (index << level, index + 1 << level)
    logs = [entries[:size] for entries, size in (a, b)]
    return {
        "heads": hex0x(b"".join(head(key, node, len(log), root(log), time, 0) for log in logs)),
        "level": level,
        "index": index,
        "hashes": [hex0x(root(log[first:past])) for log in logs],
        "path-a": [hex0x(step) for step in path(logs[0], first, past)],
        "path-b": [hex0x(step) for step in path(logs[1], first, past)],
    }


# Logs


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def root(entries: list) -> bytes:
    if len(entries) < 2:
        return sha(b"\0" + entries[0]) if entries else sha(b"")
    split = 1 << (len(entries) - 1).bit_length() - 1
    return sha(b"\1" + root(entries[:split]) + root(entries[split:]))


def path(entries: list, first: int, past: int) -> list:
    """The siblings of the subtree over entries[first:past], from below."""
    if (first, past) == (0, len(entries)):
        return []
    split = 1 << (len(entries) - 1).bit_length() - 1
    if past <= split:
        return path(entries[:split], first, past) + [root(entries[split:])]
    return path(entries[split:], first - split, past - split) + [root(entries[:split])]


# Heads


def head(key: int, node: bytes, size: int, top: bytes, time: int, flags: int) -> bytes:
    front = node + size.to_bytes(8) + top + time.to_bytes(8) + bytes([flags])
    return front + sign(key, sha(b"quoth/head/1\0" + front))


# secp256k1 (SEC 2 §2.4.1)

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def add(a: tuple | None, b: tuple | None) -> tuple | None:
    if a is None or b is None:
        return a or b
    (x1, y1), (x2, y2) = a, b
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    slope = 3 * x1 * x1 * pow(2 * y1, -1, P) if a == b else (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return (x, (slope * (x1 - x) - y1) % P)


def times(scalar: int, point: tuple) -> tuple | None:
    result = None
    while scalar:
        if scalar & 1:
            result = add(result, point)
        (point, scalar) = (add(point, point), scalar >> 1)
    return result


def sign(key: int, digest: bytes) -> bytes:
    """r ‖ s ‖ v, with low S."""
    k = nonce(key, digest)
    (x, y) = times(k, G)
    r = x % N
    s = (int.from_bytes(digest) + r * key) * pow(k, -1, N) % N
    odd = y & 1
    if s > N // 2:
        (s, odd) = (N - s, odd ^ 1)
    return r.to_bytes(32) + s.to_bytes(32) + bytes([27 + odd])


def nonce(key: int, digest: bytes) -> int:
    """RFC 6979 §3.2 with SHA-256."""
    seed = key.to_bytes(32) + (int.from_bytes(digest) % N).to_bytes(32)
    (k, v) = (bytes(32), b"\1" * 32)
    for separator in (b"\0", b"\1"):
        k = hmac.digest(k, v + separator + seed, "sha256")
        v = hmac.digest(k, v, "sha256")
    while True:
        v = hmac.digest(k, v, "sha256")
        if 0 < int.from_bytes(v) < N:
            return int.from_bytes(v)
        k = hmac.digest(k, v + b"\0", "sha256")
        v = hmac.digest(k, v, "sha256")


def address(key: int) -> bytes:
    (x, y) = times(key, G)
    return keccak(x.to_bytes(32) + y.to_bytes(32))[12:]


# Keccak-256, with the padding of Ethereum


def keccak(data: bytes) -> bytes:
    rate = 136
    padded = bytearray(data + b"\1" + bytes(-(len(data) + 1) % rate))
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for block in range(0, len(padded), rate):
        for i in range(rate // 8):
            lanes[i % 5][i // 5] ^= int.from_bytes(padded[block + 8 * i :][:8], "little")
        permute(lanes)
    return b"".join(lanes[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


def permute(a: list) -> None:
    lfsr = 1
    for _ in range(24):
        columns = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        for x in range(5):
            mixed = columns[x - 1] ^ rotate(columns[(x + 1) % 5], 1)
            for y in range(5):
                a[x][y] ^= mixed
        (x, y, lane) = (1, 0, a[1][0])
        for t in range(24):
            (x, y) = (y, (2 * x + 3 * y) % 5)
            (lane, a[x][y]) = (a[x][y], rotate(lane, (t + 1) * (t + 2) // 2))
        for y in range(5):
            row = [a[x][y] for x in range(5)]
            for x in range(5):
                a[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5])
        for j in range(7):
            if lfsr & 1:
                a[0][0] ^= 1 << (1 << j) - 1
            lfsr = lfsr << 1 ^ (0x171 if lfsr & 0x80 else 0)


def rotate(lane: int, by: int) -> int:
    by %= 64
    return (lane << by | lane >> (64 - by)) & (2**64 - 1)


def hex0x(data: bytes) -> str:
    return "0x" + data.hex()


if __name__ == "__main__":
    main()
