// node test.mjs MODULE.wasm VECTORS: captured evidence gets its recorded verdict in wasm too, and how long that takes.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { Refusal, load } from "./quoth-verifier.js";

const [module, folder] = process.argv.slice(2);
const read = (...path) => new Uint8Array(readFileSync(join(folder, ...path)));
const all = (...path) => readdirSync(join(folder, ...path)).sort().map((name) => read(...path, name));
const { vectors } = JSON.parse(new TextDecoder().decode(read("MANIFEST.json")));
// Canonical JSON: names in order, no space.
const policy = JSON.stringify({
  image: [{ name: "nobody's", pcr0: "11".repeat(48), pcr1: "11".repeat(48), pcr2: "11".repeat(48), snp_launch: ["11".repeat(48)] }],
  models: { accept: "any" },
  platforms: ["nitro", "sev-snp"],
  snp: { floor: { genoa: { bootloader: 1, microcode: 1, snp: 1, tee: 0 } } },
  version: 1,
});

const quoth = await load(readFileSync(module));
assert.throws(() => quoth.verifier('{"version":2}'), (error) => error instanceof Refusal && error.code === "policy.invalid");
const authorities = all("snp", "ca");
const times = { nitro: [], "sev-snp": [] };
let judged = 0;
for (const vector of vectors) {
  const isReport = vector.kind === "snp-report" && vector.endorsement?.[0];
  if (!isReport && vector.kind !== "nitro-attestation-document") continue;
  const bytes = read(vector.name);
  const certificates = isReport ? [read("snp", "vek", vector.endorsement[0]), ...authorities] : [];
  const evidence = isReport ? { report: bytes, certificates } : { document: bytes };
  const verifier = quoth.verifier(policy);
  const start = performance.now();
  const verdict = verifier.hardware(evidence, vector.verify_at);
  times[verdict.platform].push(performance.now() - start);
  assert.equal(verdict.genuine, vector.expected.verifies, `${vector.name}: ${verdict.refusal?.code}`);
  assert.equal(verdict.accepted, false, vector.name);
  assert.ok(verdict.checks.every((check) => check.code && check.source));
  bytes[bytes.length >> 1] ^= 1;
  assert.equal(verifier.hardware(evidence, vector.verify_at).genuine, false, vector.name);
  verifier.drop();
  judged += 1;
}
assert.ok(judged > 0);

const verifier = quoth.verifier(policy);
assert.throws(() => verifier.node(new Uint8Array(9)), Refusal);
assert.throws(() => verifier.transcript(new Uint8Array(9)), Refusal);
const median = (series) => series.sort((a, b) => a - b)[series.length >> 1].toFixed(1);
console.log(`wasm: ${judged} pieces of captured evidence judged as recorded`);
console.log(`wasm: a Nitro document ${median(times.nitro)} ms, an SEV-SNP report ${median(times["sev-snp"])} ms, cold`);
