// The verifier for browsers and Node. Nothing here decides anything: bytes go in, verdicts come out.
//
//   const quoth = await load(await (await fetch("quoth-verifier.wasm")).arrayBuffer());
//   const verifier = quoth.verifier(policy); // canonical JSON, from `quoth-verify policy compile`
//   const verdict = verifier.hardware({ document }, Math.floor(Date.now() / 1000));
//   if (!verdict.accepted) throw new Error(verdict.refusal.code);

/** What was judged and refused; `code` is stable. */
export class Refusal extends Error {
  constructor({ code, message }) {
    super(message);
    this.name = "Refusal";
    this.code = code;
  }
}

const CALL = { open: 0, drop: 1, nitro: 2, snp: 3, node: 4, stream: 5, push: 6, finish: 7, transcript: 8 };
const utf8 = new TextEncoder();

const number = (value) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
};
const list = (parts) => [number(parts.length), ...parts];

function packed(call, fields) {
  const parts = fields.map((field) => (typeof field === "string" ? utf8.encode(field) : field));
  const out = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 1));
  const view = new DataView(out.buffer);
  out[0] = call;
  let at = 1;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    out.set(part, at + 4);
    at += 4 + part.length;
  }
  return out;
}

/** Instantiates the module. `source`: its bytes, or a compiled WebAssembly.Module. */
export async function load(source) {
  const module = source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
  const { exports } = await WebAssembly.instantiate(module, {});
  const call = (what, fields) => {
    const request = packed(what, fields);
    const at = exports.quoth_alloc(request.length);
    new Uint8Array(exports.memory.buffer, at, request.length).set(request);
    const answer = exports.quoth_call(at, request.length);
    const length = new DataView(exports.memory.buffer).getUint32(answer, true);
    const [kind, ...rest] = [new Uint8Array(exports.memory.buffer)[answer + 4], answer + 5, length - 1];
    const bytes = new Uint8Array(exports.memory.buffer, ...rest).slice();
    exports.quoth_free(answer);
    if (kind === 1) return bytes;
    const value = JSON.parse(new TextDecoder().decode(bytes));
    if (value.error) throw new Refusal(value.error);
    return value;
  };
  return { verifier: (policy) => new Verifier(call, call(CALL.open, [policy]).number) };
}

class Held {
  constructor(call, held) {
    this.call = call;
    this.held = number(held);
  }

  /** Gives its memory back. */
  drop() {
    this.call(CALL.drop, [this.held]);
  }
}

/** Judges evidence under one policy. */
class Verifier extends Held {
  /**
   * What hardware says about any enclave: `{ document }` of AWS Nitro, or `{ report, certificates, crls }` of AMD SEV-SNP;
   * `at` in Unix seconds.
   */
  hardware({ document, report, certificates = [], crls = [] }, at) {
    return document
      ? this.call(CALL.nitro, [this.held, number(at), document])
      : this.call(CALL.snp, [this.held, number(at), report, ...list(certificates), ...list(crls)]);
  }

  /** A Quoth node, by its evidence. `nonce`: the bytes that the evidence was asked for with. */
  node(evidence, { nonce = new Uint8Array(), now = Math.floor(Date.now() / 1000) } = {}) {
    const { number: held, ...facts } = this.call(CALL.node, [this.held, evidence, nonce, number(now)]);
    return Object.assign(new Node(this.call, held), facts);
  }

  /** A saved transcript: at the time of its own receipt, or at `now`. */
  transcript(file, { now = 0 } = {}) {
    return this.call(CALL.transcript, [this.held, file, number(now)]);
  }
}

/** A node that the policy accepts. */
class Node extends Held {
  /**
   * Begins to verify an event stream. The response's head: `status`; `cti` and `opening`, as they stand in the headers
   * `quoth-cti` and `quoth-opening`; `nonce`, the bytes that were sent in `quoth-nonce`, if any.
   */
  stream({ method = "POST", target, body }, { nonce = new Uint8Array(), opening, cti, status = 200 }) {
    const fields = [this.held, method, target, body, nonce, opening, cti, number(status)];
    return new Stream(this.call, this.call(CALL.stream, fields).number);
  }
}

/** An event stream as it passes. */
class Stream extends Held {
  /** The next bytes from the network; returns those of the answer, provisional until `finish`. */
  push(bytes) {
    return this.call(CALL.push, [this.held, bytes]);
  }

  /** The proof that every byte pushed was what the node signed; throws a `Refusal` otherwise. */
  finish() {
    return this.call(CALL.finish, [this.held]);
  }
}
