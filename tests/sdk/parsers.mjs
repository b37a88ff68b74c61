// Reads event streams with the parser of OpenAI's SDK for JavaScript. One stream a line comes in, as a JSON list of its pieces
// in hex; one line goes out, with what the parser made of it: `ended`, `passed` (it went on to the sentinel) or `raised`.

import { createRequire } from "node:module";
import readline from "node:readline";

// The SDK is not beside this file but where prepare.py has put it.
const require = createRequire(`${process.env.QUOTH_SDKS}/`);
const { Stream } = require("openai/streaming");

const ENDS = new Set(["message_stop", "response.completed", "response.failed", "response.incomplete"]);

async function read(pieces) {
  const body = new ReadableStream({
    start(controller) {
      pieces.forEach((piece) => controller.enqueue(piece));
      controller.close();
    },
  });
  try {
    for await (const event of Stream.fromSSEResponse(new Response(body), new AbortController())) {
      if (event?.type === "sentinel") return "passed";
      if (ENDS.has(event?.type)) return "ended";
    }
  } catch {
    return "raised";
  }
  return "ended";
}

console.error = () => {};
for await (const line of readline.createInterface({ input: process.stdin })) {
  const pieces = JSON.parse(line).map((piece) => Uint8Array.from(Buffer.from(piece, "hex")));
  console.log(JSON.stringify({ "openai for JavaScript": await read(pieces) }));
}
