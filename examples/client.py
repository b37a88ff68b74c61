#!/usr/bin/env python3
"""Asks a Quoth node one question over HTTPS and believes only what is proven.

    python client.py https://HOST:PORT POLICY MODEL QUESTION [--stream]

"§" is a section of SPEC.md, "item" one of HTTP.md §8. A refusal has the code of those pages, or where they have
several (`format.*`, `nitro.*`, `stream.checkpoint*`) its first words. `quoth-verify` does more. This example refuses
Nitro and SEV-SNP: it verifies `simulated`, which proves nothing about a machine, with a root and a leaf certificate,
and `none` with a pinned key. It checks which types occur in CBOR and the members of outer maps, no lengths and words;
of policies and certificates only what it uses. It sends no token, asks for no details, keeps no transcript.
"""
import base64, contextlib, hashlib, hmac, http.client, json, pathlib, re, secrets, ssl, sys, time, tomllib
from urllib.parse import urlsplit
import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
GRACE, MIB, PATH, TAG = 300, 1 << 20, "/v1/chat/completions", "tag:quoth.dev,2026:"  # two clocks may differ by GRACE s
class Refused(Exception):
    """Something is not proven. The text begins with its code."""
def need(condition, code, detail=""):
    if not condition:
        raise Refused(f"{code}: {detail}" if detail else code)

def main():
    url, policy, model, question, *stream = sys.argv[1:] if len(sys.argv) > 4 else sys.exit(__doc__)
    try:
        connection, node = meet(url, tomllib.loads(pathlib.Path(policy).read_text()))
        for text in texts(*ask(connection, node, model, question, stream == ["--stream"])):
            print(text, end="", flush=True)
    except Exception as error:
        sys.exit(f"refused: {error}" if isinstance(error, Refused) else f"failed: {error!r}")

def meet(url, policy):
    """Connects and verifies the node (items 1 to 6). Nothing but the lookup has been sent then."""
    parts, context = urlsplit(url), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    need(parts.scheme == "https" and parts.hostname, "client.url")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the key is the identity, no name
    connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=660, context=context)
    connection.connect()
    connection.auto_open = 0  # or a prompt could go to a peer that was never verified
    key = x509.load_der_x509_certificate(connection.sock.getpeercert(binary_form=True)).public_key()
    tls_key = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    nonce = secrets.token_bytes(32)
    connection.request("GET", f"/.well-known/quoth/node?nonce={nonce.hex()}")
    answer = connection.getresponse()
    need(answer.status == 200, "node.status", answer.status)
    return connection, verify_node(answer.read(262_145), nonce, tls_key, policy, time.time())

def ask(connection, node, model, question, stream):
    """Sends the question if whatever may answer is acceptable (item 7), and reads the answer's head."""
    local = [known[2].hex() for known in node["statement"][7] if known[1] == model]
    places = [] if local else [f"{provider[2]}:{provider[3]}" for provider in node["statement"][8]]
    need(all(accepts(node, "models", digest) for digest in local), "model.not_accepted")
    need(all(accepts(node, "upstreams", place) for place in places), "upstream.not_accepted")
    question = {"model": model, "messages": [{"role": "user", "content": question}], "stream": stream}
    sent, nonce = json.dumps(question).encode(), secrets.token_bytes(16)
    connection.request("POST", PATH, sent, {"content-type": "application/json", "quoth-nonce": nonce.hex()})
    answer = connection.getresponse()
    head = read_head(node, answer.status, answer.getheaders())
    head |= {"request": commit(head["opening"], b"request", sha256(sent)), "nonce": nonce, "model": model}
    return node | head, answer

def read_head(node, status, head):
    """What an answer's head says (HTTP.md §4, item 8). Without a receipt it begins a stream."""
    def one(name, form):
        found = [value for field, value in head if field.lower() == name]
        code = "response.header_invalid" if found else "response.header_missing"
        need(len(found) == 1 and re.fullmatch(form, found[0]), code, name)
        return found[0]
    names = {field.lower() for field, _ in head}
    need(status < 400 or "quoth-opening" in names, "node.status", status)
    need(one("quoth-node", "[0-9a-f]{64}") == node["digest"].hex(), "response.node")
    cti = bytes.fromhex(one("quoth-cti", "[0-9a-f]{32}"))
    opening = unbase64(one("quoth-opening", ".{43}"), "response.header_invalid")
    is_stream = any(field.lower() == "content-type" and re.match(r"(?i)text/event-stream *(;|$)", value)
                    for field, value in head) and "quoth-receipt" not in names
    receipt = None if is_stream else unbase64(one("quoth-receipt", ".{1,11264}"), "response.header_invalid")
    return {"status": status, "cti": cti, "opening": opening, "receipt": receipt}

def texts(exchange, answer):
    """The answer's text as it may be shown. All of it is proven if this comes to its end."""
    if exchange["receipt"] is not None:
        body = answer.read(64 * MIB)
        verify_receipt(exchange, exchange["receipt"], len(body), sha256(body), None)
        yield json.loads(body)["choices"][0]["message"]["content"] or ""
        return
    with refusing("stream.cut"):
        for event in events(exchange, answer):
            with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):  # no text in it
                choices = json.loads(b"\n".join(values(event, b"data")))["choices"]
                yield "".join(choice["delta"].get("content") or "" for choice in choices)

# --- Is this a node that the policy accepts? ---
def accepts(node, table, value):
    key = {"simulated": "roots", "none": "receipt_keys"}.get(table, "accept")
    accepted = node["policy"].get(table, {}).get(key, [])
    return (key, accepted) == ("accept", "any") or value in [item.lower() for item in accepted]

def verify_node(evidence, nonce, tls_key, policy, now):
    evidence = decode(evidence, 262_144, {1, 2, 3, 5, 6}, {4})
    statement, digest = decode(evidence[2], 40_960, {*range(1, 9), 10, 11, 12}, {9}), sha256(evidence[2])
    node = {"statement": statement, "digest": digest, "policy": policy}
    platform, keys, issued, not_after = statement[3], statement[4], statement[10], statement[11]
    need((evidence[1], statement[1]) == (TAG + "evidence:1", TAG + "node:1"), "format.profile")
    need(len(keys["receipt"]) == 32 and 0 <= not_after - issued <= 2_592_000, "format.out_of_range")
    need(policy["version"] == 1 and type(policy["platforms"]) is list, "policy")
    need(platform in policy["platforms"] and platform in ("simulated", "none"), "platform.not_allowed", platform)
    need(evidence.get(4) == nonce, "evidence.nonce")
    need(is_sound(keys["receipt"]), "statement.receipt_key")
    need(evidence[5] == evidence[6] == [], "evidence.endorsements")
    binding, signed_at = hashlib.sha512(b"quoth/node/1\0" + digest + nonce).digest(), now  # §3
    if platform == "none":
        need(accepts(node, "none", keys["receipt"].hex()), "evidence.receipt_key", keys["receipt"].hex())
        proof = open_envelope(evidence[3], "possession", keys["receipt"], "evidence.possession")
        need(proof == binding, "evidence.binding")
    else:
        signed_at = verify_simulated(node, evidence[3], binding, nonce, now)
    need(all(issued - GRACE <= at <= not_after + GRACE for at in (signed_at, now)), "statement.time_window")
    need(platform == "simulated" and "config" not in policy or accepts(node, "config", statement[5].hex()),
         "config.not_accepted")
    need(sha256(tls_key) == keys["tls"], "tls.key_mismatch")
    return node

def verify_simulated(node, quote, binding, nonce, now):
    """A document in Nitro's layout (§3). Returns when it was signed, seconds."""
    with refusing("nitro.cbor"):
        *_, payload, signature = cbor2.loads(quote)
        header, document = bytes.fromhex("a1013822"), cbor2.loads(payload)
        again = [cbor2.dumps([header, {}, payload, signature]), cbor2.dumps(document)]
        need(again == [quote, payload], "nitro.cbor")  # so nothing stands twice or behind the end
        must = {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"}
        need(must <= document.keys() <= must | {"public_key", "user_data", "nonce"}, "nitro.field")
        need(document["digest"] == "SHA384" and {0, 1, 2} <= document["pcrs"].keys(), "nitro.field.value")
    with refusing("nitro.chain"):
        (root,), leaf = document["cabundle"], document["certificate"]
        need(accepts(node, "simulated", sha256(root).hex()), "nitro.chain.root", sha256(root).hex())
        root, leaf = x509.load_der_x509_certificate(root), x509.load_der_x509_certificate(leaf)
        leaf.verify_directly_issued_by(root)
        need(leaf.subject.rfc4514_string() == "CN=" + document["module_id"], "nitro.chain.module")
        for begin, end in ((c.not_valid_before_utc, c.not_valid_after_utc) for c in (root, leaf)):
            need(begin.timestamp() - GRACE <= now <= end.timestamp() + GRACE, "nitro.chain.validity")
    with refusing("nitro.cose.signature"):
        r, s = int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:96], "big")
        message = cbor2.dumps(["Signature1", header, b"", payload])
        leaf.public_key().verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA384()))
    age, policy = now - document["timestamp"] // 1000, node["policy"]
    need(-GRACE <= age <= policy.get("max_evidence_age", 7200) + GRACE, "evidence.age" if age > 0 else "evidence.future")
    need(document.get("user_data") == binding, "evidence.binding")
    need(document.get("nonce") == nonce, "evidence.nonce")
    need(document.get("public_key") == node["statement"][4]["receipt"], "evidence.public_key")
    found = {f"pcr{index}": document["pcrs"][index].hex() for index in range(3)}
    images = [{name: str(image.get(name)).lower() for name in found} for image in policy.get("image", [])]
    need(found in images and set(found.values()) != {"00" * 48}, "measurement", found)
    return now - age

# --- Is this answer the node's, and to my question? (items 9 to 13) ---
def verify_receipt(exchange, envelope, length, body_hash, ended):
    """`ended`: how the last event has ended a stream. A proven error is refused, too."""
    statement, opening, streamed = exchange["statement"], exchange["opening"], exchange["receipt"] is None
    payload = open_envelope(envelope, "receipt+cwt", statement[4]["receipt"], "receipt.signature")
    receipt = decode(payload, 8192, {6, 7, 265, *range(-70004, -69999), -70007}, {10, -70005, -70006, -70008})
    claim, run, times = receipt[-70004], receipt.get(-70005), receipt[-70007]
    need(receipt[265] == TAG + "receipt:1" and times[1] <= times[2] <= times[3], "format")
    need(receipt[-70000] == exchange["digest"], "receipt.node")
    need(statement[10] <= receipt[6] <= statement[11], "receipt.time_window")
    need(times[1] // 1000 >= statement[10] - GRACE and abs(times[3] // 1000 - receipt[6]) <= GRACE, "receipt.times")
    need(receipt[-70003] == ("vanilla" if statement[3] == "none" else "tee"), "receipt.level")
    need(receipt[-70001] > 0 or receipt[-70002] == exchange["digest"], "receipt.prev")
    complete, local = claim[8] in ("complete", "length"), {known[1]: known[2] for known in statement[7]}
    need(run if complete else not run or claim[8] != "refused", "receipt.execution")
    if run and run[1] == "local":
        need(local.get(run[2]) == run[3], "receipt.model_not_in_statement")
        need(accepts(exchange, "models", run[3].hex()), "model.not_accepted")
    elif run:
        need({1: run[2], 2: run[3], 3: run[4]} in statement[8], "receipt.upstream_not_in_statement")
        need(accepts(exchange, "upstreams", f"{run[3]}:{run[4]}"), "upstream.not_accepted")
        need(5 in run or not complete, "receipt.execution")
    need(not run or (run[2] == exchange["model"] if run[1] == "local" else exchange["model"] not in local), "answer.model")
    need(claim[7] is streamed, "receipt.streamed")
    need(receipt[7] == exchange["cti"], "receipt.cti")
    need((claim[1], claim[2], claim[4]) == ("POST", PATH, exchange["request"]), "receipt.request_mismatch")
    need(receipt.get(10) == exchange["nonce"], "receipt.nonce")
    need(not streamed or length >= claim[6], "stream.cut")
    by_reason = "finish_reason" if streamed and complete else None
    need(claim.get(9) == {None: by_reason, "terminal": "terminal", "error": None}[ended], "receipt.ending")
    answer = exchange["status"], length, commit(opening, b"response", body_hash)
    need((claim[3], claim[6], claim[5]) == answer, "receipt.response_mismatch")
    need(complete and claim[3] == 200, "answer", f"proven to be an error: {claim[3]} {claim[8]}")

def events(exchange, source):
    """Events as they may be shown, before a checkpoint covers them (HTTP.md §5); the last one when all is proven."""
    number, previous, receipt, ended, last = 0, None, None, None, b""
    blank, length, running, event = True, 0, hashlib.sha256(), b""
    pieces = iter(lambda: source.readline(17 * MIB), b"")  # each ends with LF: no CRLF is cut in two
    lines = (line for piece in pieces for line in re.findall(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", piece))
    for line in lines:
        need(line.endswith((b"\r", b"\n")), "stream.cut")
        need(number or line.startswith(b": quoth checkpoint "), "stream.checkpoint_missing")
        if re.match(rb": ?quoth", line):
            record = re.fullmatch(rb": quoth (checkpoint|receipt) ([\w-]+)\n", line)
            need(record and blank and len(line) < 16_384, "format.record")
            need(next(lines, b"") == b"\n", "format.record")
            need(receipt is None, "stream.after_end")
            envelope = unbase64(record[2].decode(), "format.record")
            if record[1] == b"checkpoint":
                previous = verify_checkpoint(exchange, envelope, number, previous, length, running.digest())
            receipt = envelope if record[1] == b"receipt" else None
            number += receipt is None
            continue
        need(not ended, "stream.after_end")
        length, event, blank = length + len(line), event + line, line in (b"\n", b"\r", b"\r\n")
        running.update(line)
        if blank:
            ended = ending(event.removeprefix(MARK) if length == len(event) else event)
            need(bool(ended) == bool(receipt), "stream.after_end" if receipt else "stream.receipt_late")
            yield from [] if ended else [event]
            last, event = event, b""
    need(receipt and not event, "stream.cut", f"{number} checkpoints came")
    verify_receipt(exchange, receipt, length, running.digest(), ended)
    yield from [last] if ended else []

def verify_checkpoint(exchange, envelope, number, previous, length, body_hash):
    key, prefix = exchange["statement"][4]["receipt"], commit(exchange["opening"], b"prefix/%d" % number, body_hash)
    payload = open_envelope(envelope, "checkpoint+cbor", key, "stream.signature")
    expected = {1: exchange["digest"], 2: exchange["cti"], 3: exchange["nonce"], 4: exchange["request"],
                5: exchange["status"], 6: number, 7: length, 8: prefix, 10: 2} | ({9: previous} if number else {})
    need(payload == cbor2.dumps(expected, canonical=True), "stream.checkpoint", number)  # it has only one encoding
    return sha256(payload)
MARK = b"\xef\xbb\xbf"
ENDS = {b"error": "error"} | dict.fromkeys(
    [b"message_stop", b"response.completed", b"response.failed", b"response.incomplete"], "terminal")
def values(event, field):
    fields = (line.partition(b":") for line in re.split(rb"\r\n|\r|\n", event))
    return [value.removeprefix(b" ") for name, _, value in fields if name == field]
def ending(event):
    """How an event ends its stream (§9): `terminal`, `error` or not (None)."""
    names, data, pairs = values(event, b"event"), b"\n".join(values(event, b"data")), ()
    with contextlib.suppress(ValueError):  # no JSON
        found = json.loads(data.decode(errors="replace"), object_pairs_hook=tuple)
        pairs = found if type(found) is tuple else ()  # of an object
    types, errors = ([value for name, value in pairs if name == wanted] for wanted in ("type", "error"))
    marked = re.search(rb"(?:^|[\r\n])" + MARK, event)
    need(max(len(names), len(types), len(errors)) < 2 and not marked, "stream.ambiguous")
    name, types = b"".join(names), [value.encode(errors="replace") for value in types if type(value) is str]
    need(not (name and types) or name == types[0] and len(name) <= 64, "stream.ambiguous")
    if re.match(rb"(?i)\s*\[done\]", data):
        return "terminal"
    if any(error not in (None, False, 0, "") for error in errors):
        return "error"
    said = name or b"".join(types)
    return ENDS.get(said.strip(b" \t\n\f\r").lower()) if len(said) <= 64 else None

# --- Signed formats (§1, §5, §6) ---
@contextlib.contextmanager
def refusing(code):
    try:
        yield
    except Exception as error:
        raise error if isinstance(error, Refused) else Refused(f"{code}: {error!r}") from None
def sha256(data):
    return hashlib.sha256(data).digest()
def commit(opening, label, body_hash):
    salt = hmac.digest(opening, b"quoth/salt/1\0" + label, "sha256")
    return sha256(b"quoth/commit/1\0" + label + b"\0" + salt + body_hash)
def unbase64(text, code):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if len(text) % 4 != 1 else b""
    need(base64.urlsafe_b64encode(data).decode().rstrip("=") == text, code)
    return data
def decode(data, limit, must, may):
    """A map in its only encoding. cbor2 alone would let null, floats, tags and `true` as a key pass."""
    with refusing("format"):
        value = cbor2.loads(data)
        need(cbor2.dumps(value, canonical=True) == data and len(data) <= limit, "format")
        inside = [value]
        for item in inside:  # grows while it is read
            is_map = type(item) is dict
            need(type(item) in (int, bool, bytes, str, list, dict), "format.not_allowed")
            need(not is_map or {type(key) for key in item} <= {int, str}, "format.wrong_type")
            inside += item.values() if is_map else item if type(item) is list else []
        need(must <= value.keys() <= must | may, "format", "members")
    return value

def open_envelope(data, kind, key, code):
    """The payload of an envelope that `key` has signed, of which there is one encoding; `code` if it has not."""
    header = cbor2.dumps({1: -19, 4: sha256(key)[:8], 16: "application/vnd.quoth." + kind}, canonical=True)
    with refusing(code):
        *_, payload, signature = cbor2.loads(data).value
        need(data == cbor2.dumps(cbor2.CBORTag(18, [header, {}, payload, signature])), "format", "no such envelope")
        message = cbor2.dumps(["Signature1", header, b"", payload])
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    return payload
def is_sound(key):
    """A canonical Ed25519 key that is not of small order: `cryptography` does not refuse those (§6)."""
    p, y = 2**255 - 19, int.from_bytes(key, "little") % 2**255
    d = -121665 * pow(121666, -1, p) % p
    return y < p and y not in (0, 1, p - 1) and (d * y**4 + 2 * y**2 - 1) % p != 0
if __name__ == "__main__":
    main()
