"""Checks the example client: the examples of HTTP.md, a simulated platform of the test's own, then a live node.

    python test_client.py https://HOST:PORT POLICY MODEL [HTTP.md]
"""
import base64, datetime, hashlib, hmac, io, json, pathlib, re, select, socket, ssl, subprocess, sys, tempfile, threading
import tomllib
import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
import client
from client import Refused, commit, ending, is_sound, sha256, unbase64

EXPECTED = 151
done = []

def check(name, condition):
    print("ok  " if condition is True else "FAIL", name, flush=True)
    if condition is not True:
        sys.exit(1)
    done.append(name)

def refused(name, code, attempt, *arguments):
    """The attempt must be refused for just this reason: any other end is a failure."""
    try:
        attempt(*arguments)
        why = "it was accepted"
    except Refused as error:
        why = str(error)
    check(f"refused: {name} ({why})", re.match(re.escape(code) + r"(:|\.|$)", why) is not None)

# --- The page ---
def read_page(path):
    found = re.findall(r"```(hex|wire) (\S+)\n(.*?)```", path.read_text(), re.S)
    escapes = {r"\r": "\r", r"\n": "\n", r"\\": "\\", r"\|": ""}
    return {name: bytes.fromhex(text) if kind == "hex" else re.sub(
        r"\\.", lambda m: escapes[m[0]], text.replace("\n", "")).encode() for kind, name, text in found}

def message(wire):
    """First line, header fields and body of an HTTP message."""
    head, _, body = wire.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, [tuple(line.split(": ", 1)) for line in lines], body

def page_exchange(page, node, name, answer):
    """What the client would know of an exchange of the page, and the answer's body."""
    (_, fields, sent), (first, head, body) = message(page[f"{name}-request"]), message(page[answer])
    nonce = dict(fields).get("quoth-nonce")
    found = client.read_head(node, int(first.split()[1]), head)
    model = re.search(rb'"model":"(.*?)"', sent)[1].decode()
    request = commit(found["opening"], b"request", sha256(sent))
    return node | found | {"model": model, "nonce": nonce and bytes.fromhex(nonce), "request": request}, body

def whole(exchange, body):
    return "".join(client.texts(exchange, io.BytesIO(body)))

def stream(exchange, raw):
    return list(client.events(exchange, io.BytesIO(raw)))

KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))  # of SPEC.md's vectors
PUBLIC = KEY.public_key().public_bytes_raw()

def sign(payload, kind="receipt+cwt"):
    """What the page's node could sign, if it lied."""
    payload = payload if type(payload) is bytes else cbor2.dumps(payload, canonical=True)
    header = cbor2.dumps({1: -19, 4: sha256(PUBLIC)[:8], 16: "application/vnd.quoth." + kind}, canonical=True)
    signature = KEY.sign(cbor2.dumps(["Signature1", header, b"", payload]))
    return cbor2.dumps(cbor2.CBORTag(18, [header, {}, payload, signature]))

def altered(value, path, new=None):
    """A copy of nested maps with one field changed or, for None, removed."""
    inner = altered(value[path[0]], path[1:], new) if path[1:] else new
    return {k: v for k, v in value.items() if k != path[0]} | ({path[0]: inner} if inner is not None else {})

def check_node(page):
    policy = {"version": 1, "platforms": ["none"], "none": {"receipt_keys": [PUBLIC.hex().upper()]},
              "models": {"accept": ["55" * 32]}, "config": {"accept": ["44" * 32]},
              "upstreams": {"accept": ["api.openai.com:443"]}}
    evidence = page["evidence"]
    good = {"evidence": evidence, "nonce": b"\xee" * 8, "policy": policy, "tls_key": page["spki"], "now": 1800000060}
    node = client.verify_node(**good)
    check("page: node", node["digest"] == page["node"])
    other_proof = cbor2.dumps(cbor2.loads(evidence) | {3: sign(bytes(64), "possession")}, canonical=True)
    for what, code, change in (
            ("another nonce", "evidence.nonce", {"nonce": b"\xef" * 8}),
            ("another TLS key", "tls.key_mismatch", {"tls_key": page["spki"][:-1] + b"\0"}),
            ("a later clock", "statement.time_window", {"now": 1803000000}),
            ("an unknown receipt key", "evidence.receipt_key", {"policy": policy | {"none": {"receipt_keys": []}}}),
            ("any receipt key", "evidence.receipt_key", {"policy": policy | {"none": {"receipt_keys": "any"}}}),
            ("no pinned configuration", "config.not_accepted", {"policy": policy | {"config": {}}}),
            ("another policy", "policy", {"policy": policy | {"version": 2}}),
            ("another profile", "format.profile", {"evidence": evidence.replace(b"evidence:1", b"evidence:2")}),
            ("certificates", "evidence.endorsements", {"evidence": evidence[:-3] + b"\x81\x41\0\x06\x80"}),
            ("a byte after evidence", "format", {"evidence": evidence + b"\0"}),
            ("another binding", "evidence.binding", {"evidence": other_proof}),
            ("a forged proof", "evidence.possession", {"evidence": evidence.replace(b"\x58\x40\x6c\x6b", b"\x58\x40\x6c\x6c")})):
        refused(f"page: {what}", code, lambda: client.verify_node(**(good | change)))
    must = {*range(1, 9), 10, 11, 12}
    for what, bad in (("an unknown key", {13: 0}), ("a float", {11: 1.8e9}), ("null", {9: None}), ("a tag", {9: cbor2.CBORTag(0, "")})):
        changed = cbor2.dumps(node["statement"] | bad, canonical=True)
        refused(f"page: statement with {what}", "format", client.decode, changed, 40960, must, {9})
    confused = cbor2.dumps({True if k == 1 else k: v for k, v in node["statement"].items()}, canonical=True)
    refused("page: statement with true for 1", "format.wrong_type", client.decode, confused, 40960, must, {9})
    for model, table, code in (("tiny", "models", "model.not_accepted"), ("gpt-4o", "upstreams", "upstream.not_accepted")):
        strict = node | {"policy": policy | {table: {"accept": []}}}
        refused(f"page: {code} before the question is sent", code, client.ask, None, strict, model, "", False)
    return node

def check_whole(page, node):
    exchange, body = page_exchange(page, node, "whole", "whole-answer")
    envelope, opening = exchange["receipt"], exchange["opening"]
    payload = client.open_envelope(envelope, "receipt+cwt", PUBLIC, "")
    receipt = cbor2.loads(payload)
    check("page: whole answer", whole(exchange, body) == "Hello there")
    check("page: signed again, the receipt is the same", sign(receipt) == envelope)
    check("page: request-commitment", receipt[-70004][4] == exchange["request"] == page["request-commitment"])
    check("page: response-commitment", commit(opening, b"response", sha256(body)) == page["response-commitment"])
    check("page: receipt-digest", sha256(payload) == page["receipt-digest"])
    for path, new, code in (
            ([-70000], bytes(32), "receipt.node"), ([6], 1799999999, "receipt.time_window"), ([6], 1800001000, "receipt.times"),
            ([-70007, 1], 1000, "receipt.times"), ([-70007, 2], 1, "format"), ([-70003], "tee", "receipt.level"),
            ([-70002], bytes(32), "receipt.prev"), ([10], None, "receipt.nonce"), ([7], bytes(16), "receipt.cti"),
            ([-70004, 1], "GET", "receipt.request_mismatch"), ([-70004, 2], "/v1/x", "receipt.request_mismatch"),
            ([-70004, 6], 341, "receipt.response_mismatch"), ([-70004, 7], True, "receipt.streamed"),
            ([-70004, 9], "terminal", "receipt.ending"), ([-70005], None, "receipt.execution"),
            ([-70004, 8], "refused", "receipt.execution"), ([-70004, 8], "engine_failed", "answer"),
            ([-70005, 2], "huge", "receipt.model_not_in_statement"), ([-70009], 1, "format"), ([265], "x", "format")):
        lie = exchange | {"receipt": sign(altered(receipt, path, new))}
        refused(f"page: signed lie {path} = {new!r:.30}", code, whole, lie, body)
    refused("page: receipt of another type", "format", whole, exchange | {"receipt": sign(receipt, "checkpoint+cbor")}, body)
    other_policy = node["policy"] | {"models": {"accept": []}}
    refused("page: model that is not accepted", "model.not_accepted", whole, exchange | {"policy": other_policy}, body)
    refused("page: another model than asked", "answer.model", whole, exchange | {"model": "gpt-4o"}, body)
    refused("page: base64url with stray bits", "x", unbase64, "AB", "x")
    _, head, _ = message(page["whole-answer"])
    for what, code, status, fields in (
            ("no opening", "response.header_missing", 200, [h for h in head if h[0] != "quoth-opening"]),
            ("two openings", "response.header_invalid", 200, head + head[-3:]),
            ("another node", "response.node", 200, [(n, "00" * 32 if n == "quoth-node" else v) for n, v in head]),
            ("no receipt", "response.header_missing", 200, [h for h in head if h[0] != "quoth-receipt"]),
            ("nothing of the node's", "node.status", 429, [])):
        refused(f"page: head with {what}", code, client.read_head, node, status, fields)
    tamper_whole("page", exchange, body)
    refused("page: error answer", "answer: proven to be an error: 400 refused", whole, *page_exchange(page, node, "error", "error-answer"))

def check_stream(page, node):
    exchange, _ = page_exchange(page, node, "stream", "stream-head")
    raw = page["stream-body"]
    events = stream(exchange, raw)
    body = b"".join(events)
    check("page: stream", events[-1] == b"data: [DONE]\r\n\r\n" and len(events) == 4)
    check("page: prefix-commitment", commit(exchange["opening"], b"prefix/1", sha256(body[:117])) == page["prefix-commitment"])
    check("page: stream-commitment", commit(exchange["opening"], b"response", sha256(body)) == page["stream-commitment"])
    at, end = raw.index(b": quoth receipt "), raw.index(b"data: [DONE]")
    receipt = cbor2.loads(client.open_envelope(unbase64(raw[at + 16:end - 2].decode(), ""), "receipt+cwt", PUBLIC, ""))
    second = raw[raw.index(b": quoth checkpoint", 9):raw.index(b'data: {"model":"gpt-4o","choices":[{"index":0,"delta":{},')]

    def lie(*changes, last=b"data: [DONE]\r\n\r\n"):
        body = b"".join(events[:-1]) + last
        forged = altered(receipt, [-70004, 5], commit(exchange["opening"], b"response", sha256(body)))
        for path, new in (([-70004, 6], len(body)), *changes):
            forged = altered(forged, path, new)
        return raw[:at] + b": quoth receipt " + base64.urlsafe_b64encode(sign(forged)).rstrip(b"=") + b"\n\n" + last
    check("page: stream, signed again", lie() == raw)
    check("page: stream that ends by finish_reason", stream(exchange, lie(([-70004, 9], "finish_reason"), last=b"")) == events[:-1])
    check("page: stream that ends with CR", stream(exchange, lie(last=b"data: [DONE]\r\r"))[-1] == b"data: [DONE]\r\r")
    failed = ([-70004, 8], "upstream_failed"), ([-70004, 9], None)
    for what, code, forged in (
            ("no TLS facts", "receipt.execution", lie(([-70005, 5], None))),
            ("another provider", "receipt.upstream_not_in_statement", lie(([-70005, 3], "evil.example"))),
            ("another ending", "receipt.ending", lie(([-70004, 9], "finish_reason"))),
            ("another exchange's receipt", "receipt.cti", lie(([7], bytes(16)))),
            ("an error called whole", "receipt.ending", lie(last=b'data: {"error":"x"}\n\n')),
            ("a proven error", "answer", lie(*failed, last=b'data: {"error":"x"}\n\n')),
            ("a comment after its receipt", "stream.after_end", lie(last=b": x\n\n")),
            ("an empty block after its receipt", "stream.after_end", lie(last=b"\n")),
            ("two last events", "stream.after_end", lie(last=b"data: [DONE]\n\n" * 2)),
            ("two receipts", "stream.after_end", raw[:end] + raw[at:]),
            ("a checkpoint twice", "stream.checkpoint", raw.replace(second, second + second)),
            ("a record that ends in CRLF", "format.record", raw[:at] + raw[at:end].replace(b"\n", b"\r\n") + raw[end:]),
            ("a record with one line feed", "format.record", raw.replace(second, second[:-1])),
            ("a record within an event", "format.record", raw.replace(second, b"data: x\n" + second)),
            ("a record too long", "format.record", raw[:at] + b": quoth receipt " + b"A" * 16384 + b"\n\n" + raw[end:])):
        refused(f"page: stream with {what}", code, stream, exchange, forged)
    other_policy = node["policy"] | {"upstreams": {"accept": ["api.openai.com:444"]}}
    refused("page: stream of a provider not accepted", "upstream.not_accepted", stream, exchange | {"policy": other_policy}, raw)
    refused("page: stream of another status", "stream.checkpoint", stream, exchange | {"status": 203}, raw)
    tamper_stream("page", exchange, raw)
    for event, kind in ((b"data: [DONE]", "terminal"), (b"data:  [done] x", "terminal"), (b"data: x\ndata: [DONE]", None),
                        (b'data: {"error":{}}', "error"), (b'data: {"error":0,"type":"x"}', None),
                        (b'data: {"a":{"error":1}}', None), (b"event: Message_Stop \ndata: x", "terminal"),
                        (b'data: {"typ\\u0065":"error"}', "error"), (b"event: error" + b" " * 60, None), (b": [DONE]", None)):
        check(f"kind of {event!r}", ending(event + b"\n\n") == kind)
    for event in (b'event: a\ndata: {"type":"b"}', b'event: Message_Stop\ndata: {"type":"message_stop"}', b"event: a\nevent: a",
                  b'data: {"type":1,"type":1}', b"data: 1\n\xef\xbb\xbfdata: [DONE]"):
        refused(f"{event!r}", "stream.ambiguous", ending, event + b"\n\n")
    weak = bytes(32), b"\1" + bytes(31), b"\xff" * 32, bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85")
    check("weak keys", not any(map(is_sound, weak)) and is_sound(PUBLIC))

# --- A simulated platform whose root this test holds ---
def certify(subject, key, signer, at):
    name = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    date, day = datetime.datetime.fromtimestamp(at, datetime.UTC), datetime.timedelta(days=1)
    return (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name("root")).public_key(key.public_key())
            .serial_number(1).not_valid_before(date - day).not_valid_after(date + day)
            .sign(signer, hashes.SHA384()).public_bytes(serialization.Encoding.DER))

def check_simulated(page):
    now, nonce = 1800000060, bytes(16)
    statement = cbor2.loads(cbor2.loads(page["evidence"])[2]) | {3: "simulated"}

    root_key, leaf_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    root, leaf = certify("root", root_key, root_key, now), certify("i", leaf_key, root_key, now)

    def attempt(changes={}, changed={}, signer=leaf_key, **policy):
        encoded = cbor2.dumps(statement | changed, canonical=True)
        binding = hashlib.sha512(b"quoth/node/1\0" + sha256(encoded) + nonce).digest()
        document = {"module_id": "i", "digest": "SHA384", "timestamp": now * 1000, "certificate": leaf, "cabundle": [root],
                    "pcrs": {n: bytes([n] * 48) for n in range(3)}, "public_key": statement[4]["receipt"],
                    "user_data": binding, "nonce": nonce} | changes
        header, payload = cbor2.dumps({1: -35}), cbor2.dumps(document)
        signature = signer.sign(cbor2.dumps(["Signature1", header, b"", payload]), ec.ECDSA(hashes.SHA384()))
        both = b"".join(half.to_bytes(48, "big") for half in utils.decode_dss_signature(signature))
        policy = {"version": 1, "platforms": ["simulated", "nitro"], "simulated": {"roots": [sha256(root).hex()]},
                  "image": [{f"pcr{n}": bytes([n] * 48).hex() for n in range(3)}]} | policy
        evidence = {1: "tag:quoth.dev,2026:evidence:1", 2: encoded, 3: cbor2.dumps([header, {}, payload, both]), 4: nonce, 5: [], 6: []}
        return client.verify_node(cbor2.dumps(evidence, canonical=True), nonce, page["spki"], policy, now)
    check("simulated: an honest quote", attempt()["statement"][3] == "simulated")
    for what, code, arguments, policy in (
            ("another binding", "evidence.binding", [{"user_data": bytes(64)}], {}),
            ("another nonce", "evidence.nonce", [{"nonce": bytes(15)}], {}),
            ("another receipt key", "evidence.public_key", [{"public_key": bytes(32)}], {}),
            ("an unknown field", "nitro.field", [{"more": 1}], {}),
            ("a life of years", "format.out_of_range", [{}, {11: statement[10] + 2592001}], {}),
            ("an old quote", "evidence.age", [{"timestamp": (now - 7501) * 1000}], {}),
            ("a quote of the future", "evidence.future", [{"timestamp": (now + 301) * 1000}], {}),
            ("other registers", "measurement", [{"pcrs": {n: bytes(48) for n in range(3)}}], {}),
            ("another signer", "nitro.cose.signature", [{}, {}, root_key], {}),
            ("another root", "nitro.chain.root", [], {"simulated": {"roots": ["00" * 32]}}),
            ("another issuer", "nitro.chain", [{"certificate": certify("i", leaf_key, leaf_key, now)}], {}),
            ("another module", "nitro.chain.module", [{"module_id": "j"}], {}),
            ("a leaf that has expired", "nitro.chain.validity", [{"certificate": certify("i", leaf_key, root_key, now - 2 * 86400)}], {}),
            ("hardware", "platform.not_allowed", [{}, {3: "nitro"}], {}),
            ("a weak receipt key", "statement.receipt_key", [{}, {4: statement[4] | {"receipt": bytes(32)}}], {}),
            ("a policy for no configuration", "config.not_accepted", [], {"config": {"accept": []}})):
        refused(f"simulated: {what}", code, lambda: attempt(*arguments, **policy))

# --- Forgeries of the page's exchanges and of live ones ---
def tamper_whole(where, exchange, body):
    for what, code, change, forged in (
            ("a changed byte", "receipt.response_mismatch", {}, body.replace(b"a", b"b", 1)),
            ("another question", "receipt.request_mismatch", {"request": bytes(32)}, body),
            ("another nonce", "receipt.nonce", {"nonce": bytes(8)}, body),
            ("another status", "receipt.response_mismatch", {"status": 201}, body),
            ("a forged receipt", "receipt.signature", {"receipt": exchange["receipt"][:-1] + b"\xff"}, body)):
        refused(f"{where}: {what}", code, whole, exchange | change, forged)

def tamper_stream(where, exchange, raw):
    at, checkpoints = raw.index(b": quoth receipt"), raw.count(b": quoth checkpoint")
    rest, first = raw[raw.index(b"\n\n", at) + 2:], raw.index(b"\n\n") + 2
    for what, code, forged in (
            ("cut before the receipt", "stream.cut", raw[:at]), ("cut in the receipt", "stream.cut", raw[:at + 99]),
            ("cut after the receipt", "stream.cut", raw[:-len(rest)]),
            ("cut in the last event", "stream.cut", raw[:-1 - raw.endswith(b"\r\n")]),
            ("a changed byte", "stream.checkpoint" if checkpoints > 1 else "receipt.response_mismatch",
             raw[:first] + raw[first:].replace(b"e", b"f", 1)),
            ("no first checkpoint", "stream.checkpoint_missing", raw[first:]),
            ("the end before the receipt", "stream.receipt_late", raw[:at] + rest + raw[at:-len(rest)]),
            ("bytes after the end", "stream.after_end", raw + b"data: more\n\n"),
            ("a false record", "format.record", raw[:at] + b":quoth x\n\n" + raw[at:])):
        refused(f"{where}: stream with {what}", code, stream, exchange, forged)
    refused(f"{where}: stream of another question", "stream.checkpoint", stream, exchange | {"request": bytes(32)}, raw)

# --- A live node ---
def relay(url, ends_tls):
    """A host in front of the node. It passes on TLS bytes, or ends TLS itself and sees what is sent. It breaks off when
    as many bytes as `state["left"]` have come back."""
    listener, state = socket.create_server(("127.0.0.1", 0)), {"left": 1 << 30, "seen": []}
    there = socket.create_connection((client.urlsplit(url).hostname, client.urlsplit(url).port))
    if ends_tls:
        key, context = ec.generate_private_key(ec.SECP256R1()), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(ssl.DER_cert_to_PEM_cert(certify("relay", key, key, 1800000060)) + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode())
            file.flush()
            context.load_cert_chain(file.name)
        outside = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        outside.check_hostname, outside.verify_mode = False, ssl.CERT_NONE
        there = outside.wrap_socket(there)

    def serve():
        here = listener.accept()[0]
        here = context.wrap_socket(here, server_side=True) if ends_tls else here
        with here, there:
            while state["left"] > 0:
                for ready in select.select([here, there], [], [])[0]:
                    data = ready.recv(4096)
                    if not data:
                        return
                    if ready is here:
                        state["seen"].append(data.split(b"?")[0])
                        there.sendall(data)
                    else:
                        here.sendall(data[:state["left"]])
                        state["left"] -= len(data)
    threading.Thread(target=serve, daemon=True).start()
    return f"https://127.0.0.1:{listener.getsockname()[1]}", state

def check_live(url, policy, model):
    def ask(streams):
        connection, node = client.meet(url, policy)
        exchange, answer = client.ask(connection, node, model, "Say hello.", streams)
        return exchange, answer.read()
    exchange, body = ask(False)
    check("live: whole answer", type(whole(exchange, body)) is str)
    tamper_whole("live", exchange, body)
    refused("live: another receipt", "receipt.cti", whole, exchange | {"receipt": ask(False)[0]["receipt"]}, body)
    exchange, raw = ask(True)
    events = stream(exchange, raw)
    check("live: stream", len(events) > 2 and events[-1] == b"data: [DONE]\n\n")
    tamper_stream("live", exchange, raw)
    false_url, state = relay(url, ends_tls=True)
    refused("live: a relay with another TLS key", "tls.key_mismatch", client.meet, false_url, policy)
    check("live: which saw no question", state["seen"] == [b"GET /.well-known/quoth/node"])
    honest_url, state = relay(url, ends_tls=False)
    connection, node = client.meet(honest_url, policy)
    state["left"] = 2000
    texts = client.texts(*client.ask(connection, node, model, "Say hello.", True))
    check("live: a stream begins", type(next(texts)) is str)
    refused("live: and its connection breaks", "stream.cut", list, texts)

def check_program(url, policy, model):
    """The client as a program: its exit status, whether it prints an answer, and how its refusal begins."""
    def program(*arguments):
        for _ in range(3):  # a tiny model may have nothing to say
            ended = subprocess.run([sys.executable, client.__file__, url, policy, *arguments], capture_output=True)
            if ended.stdout or ended.returncode:
                break
        return ended.returncode, len(ended.stdout) > 0, ended.stderr[:16]
    check("program: whole answer", program(model, "Say hello.") == (0, True, b""))
    check("program: stream", program(model, "Say hello.", "--stream") == (0, True, b""))
    check("program: another model", program("another", "Say hello.") == (1, False, b"refused: answer:"))

def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    url, policy, model, *page = sys.argv[1:]
    page = read_page(pathlib.Path(*page or [pathlib.Path(__file__).parent / "../attestation/HTTP.md"]))
    node = check_node(page)
    check_whole(page, node)
    check_stream(page, node)
    check_simulated(page)
    check_live(url, tomllib.loads(pathlib.Path(policy).read_text()), model)
    check_program(url, policy, model)
    if len(done) != EXPECTED or len(set(done)) != EXPECTED:
        sys.exit(f"{len(done)} checks were made instead of {EXPECTED}")
    print(f"all {EXPECTED} checks passed")

if __name__ == "__main__":
    main()
