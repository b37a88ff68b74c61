// Asks through a proxy in front of a node that may lie, with the client for JavaScript. Prints what came of each question.
//
// Run by verifier/cli/tests/proxy.rs, which knows what the node does to its answers.

import { createRequire } from "node:module";

const OpenAI = createRequire(`${process.env.QUOTH_SDKS}/`)("openai");
const client = new OpenAI();
const question = { model: "tiny", messages: [{ role: "user", content: "a secret question" }] };

async function whole() {
  return (await client.chat.completions.create(question)).choices[0].message.content;
}

async function streamed() {
  let said = "";
  for await (const chunk of await client.chat.completions.create({ ...question, stream: true })) {
    said += chunk.choices[0].delta.content;
  }
  return said;
}

async function responses() {
  let count = 0;
  for await (const _ of await client.responses.create({ model: "tiny", input: "a secret question", stream: true })) count++;
  return count;
}

for (const ask of [whole, streamed, responses]) {
  const outcome = await ask().then(
    (answer) => ({ answer }),
    (error) => ({ raised: error.constructor.name, code: error.code }),
  );
  console.log(JSON.stringify(outcome));
}
