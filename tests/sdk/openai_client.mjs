// What users of the official openai client for JavaScript rely on. Run by tests/sdk.rs, straight and through the proxy.
//
// A model's name says how the provider behind it behaves; one that is well says `You said: ` and the question.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

// The SDK is not beside this file but where prepare.py has put it.
const require = createRequire(`${process.env.QUOTH_SDKS}/`);
const OpenAI = require("openai");
const { zodFunction, zodResponseFormat, zodTextFormat } = require("openai/helpers/zod");
const { z } = require("zod");

const STRAIGHT = "QUOTH_CA" in process.env;
const GOOD = "gpt-good";
const QUESTION = [{ role: "user", content: "one two three" }];
const ANSWER = "You said: one two three";
const IMAGE = "data:image/png;base64,iVBORw0KGgo=";
const Paint = z.object({ name: z.string(), colour: z.enum(["red", "green"]), litres: z.number().int().min(1) });
const PAINT = { name: ANSWER, colour: "red", litres: 1 };
const Weather = z.object({ place: z.string() });

const client = new OpenAI({ maxRetries: 0 });
const chat = (model, options, settings) => client.chat.completions.create({ model, messages: QUESTION, ...options }, settings);
const respond = (options) => client.responses.create({ model: GOOD, input: "one two three", ...options });

async function collected(stream) {
  const items = [];
  for await (const item of await stream) items.push(item);
  return items;
}

const said = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");

async function raises(kind, ask, code) {
  const error = await ask().then(() => assert.fail("nothing was thrown"), (error) => error);
  assert.equal(error.constructor, kind, error.stack);
  if (code) assert.equal(error.code, code);
  return error;
}

async function isWell() {
  assert.equal((await chat(GOOD)).choices[0].message.content, ANSWER);
}

test("chat", async () => {
  const answer = await chat(GOOD);
  assert.equal(answer.model, "gpt-good-2026-01-01");
  assert.deepEqual([answer.choices[0].message.content, answer.choices[0].finish_reason], [ANSWER, "stop"]);
  assert.equal(answer.usage.total_tokens, 8);
});

test("chat, streamed", async () => {
  const chunks = await collected(chat(GOOD, { stream: true, stream_options: { include_usage: true } }));
  assert.equal(said(chunks), ANSWER);
  assert.equal(chunks.at(-1).usage.completion_tokens, 5);
});

test("the streaming helper", async () => {
  const stream = client.chat.completions.stream({ model: GOOD, messages: QUESTION });
  let heard = "";
  stream.on("content", (delta) => (heard += delta));
  assert.equal(await stream.finalContent(), ANSWER);
  assert.equal(heard, ANSWER);
});

test("for the auditor", async () => {
  const messages = [{ role: "user", content: "for the auditor" }];
  assert.equal((await chat(GOOD, { messages })).choices[0].message.content, "You said: for the auditor");
  assert.equal(said(await collected(chat(GOOD, { messages, stream: true }))), "You said: for the auditor");
});

test("images", async () => {
  const content = [{ type: "text", text: "one" }, { type: "image_url", image_url: { url: IMAGE } }];
  const answer = await chat(GOOD, { messages: [{ role: "user", content }] });
  assert.equal(answer.choices[0].message.content, "You said, with 1 images: one");
});

test("structured output", async () => {
  const response_format = zodResponseFormat(Paint, "paint");
  const answer = await client.chat.completions.parse({ model: GOOD, messages: QUESTION, response_format });
  assert.deepEqual(answer.choices[0].message.parsed, PAINT);
  const stream = client.chat.completions.stream({ model: GOOD, messages: QUESTION, response_format });
  assert.deepEqual((await stream.finalChatCompletion()).choices[0].message.parsed, PAINT);
});

test("tools", async () => {
  const tools = [zodFunction({ name: "weather", parameters: Weather })];
  const { message } = (await client.chat.completions.parse({ model: GOOD, messages: QUESTION, tools })).choices[0];
  const [call] = message.tool_calls;
  assert.deepEqual([call.function.name, call.function.parsed_arguments], ["weather", { place: ANSWER }]);
  const result = { role: "tool", tool_call_id: call.id, content: "no rain" };
  const answer = await chat(GOOD, { tools, messages: [...QUESTION, message, result] });
  assert.equal(answer.choices[0].message.content, ANSWER);
});

test("tools, streamed and run", async () => {
  const asked = [];
  const weather = (place) => (asked.push(place), "no rain");
  const tools = [zodFunction({ name: "weather", parameters: Weather, function: weather })];
  const runner = client.chat.completions.runTools({ model: GOOD, messages: QUESTION, tools, stream: true });
  assert.equal(await runner.finalContent(), ANSWER);
  assert.deepEqual(asked, [{ place: ANSWER }]);
});

test("responses", async () => {
  const answer = await respond({ instructions: "Be brief." });
  assert.deepEqual([answer.status, answer.output_text], ["completed", ANSWER]);
  const content = [{ type: "input_text", text: "one" }, { type: "input_image", image_url: IMAGE, detail: "auto" }];
  assert.equal((await respond({ input: [{ role: "user", content }] })).output_text, "You said, with 1 images: one");
});

test("responses, streamed", async () => {
  const events = await collected(respond({ stream: true }));
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), ANSWER);
  assert.equal(events.at(-1).type, "response.completed");
});

test("responses, structured", async () => {
  const text = { format: zodTextFormat(Paint, "paint") };
  const answer = await client.responses.parse({ model: GOOD, input: "one two three", text });
  assert.deepEqual(answer.output_parsed, PAINT);
  const stream = client.responses.stream({ model: GOOD, input: "one two three", text });
  assert.deepEqual((await stream.finalResponse()).output_parsed, PAINT);
});

test("responses with tools", async () => {
  const parameters = { type: "object", properties: { place: { type: "string" } }, required: ["place"], additionalProperties: false };
  const tools = [{ type: "function", name: "weather", parameters, strict: true }];
  const [call] = (await client.responses.stream({ model: GOOD, input: "one two three", tools }).finalResponse()).output;
  assert.deepEqual([call.name, JSON.parse(call.arguments)], ["weather", { place: ANSWER }]);
  const result = { type: "function_call_output", call_id: call.call_id, output: "no rain" };
  const { id, call_id, name, type } = call;
  const called = { id, call_id, name, type, arguments: call.arguments };
  assert.equal((await respond({ tools, input: [...QUESTION, called, result] })).output_text, ANSWER);
});

test("embeddings", async () => {
  // The client asks for base64 unless told otherwise.
  const packed = await client.embeddings.create({ model: GOOD, input: ["one", "two"] });
  const plain = await client.embeddings.create({ model: GOOD, input: ["one", "two"], encoding_format: "float" });
  for (const [at, { embedding }] of packed.data.entries()) {
    assert.equal(embedding.length, 1536);
    const product = embedding.reduce((sum, x, place) => sum + x * plain.data[at].embedding[place], 0);
    assert.ok(Math.abs(product - 1) < 1e-5);
  }
});

test("models", async () => {
  const models = await collected(client.models.list());
  assert.ok(models.some((model) => model.id === GOOD && model.owned_by === "openai-good"));
  assert.equal((await client.models.retrieve(GOOD)).owned_by, "openai-good");
});

test("what proves it travels in headers", async () => {
  const { data, response } = await chat(GOOD).withResponse();
  assert.equal(data.choices[0].message.content, ANSWER);
  const names = ["quoth-cti", "quoth-node", "quoth-opening", "quoth-receipt"];
  // The proxy keeps what it has checked.
  const there = STRAIGHT ? names : names.slice(0, 2);
  assert.deepEqual(names.filter((name) => response.headers.has(name)), there);
  const stream = await chat(GOOD, { stream: true }).asResponse();
  const records = (await stream.text()).split("\n").filter((line) => line.startsWith(": quoth "));
  assert.equal(records.length >= 2, STRAIGHT, records);
});

test("the operator's key", async () => {
  const nobody = new OpenAI({ apiKey: "none", maxRetries: 0 });
  const answer = await nobody.chat.completions.create({ model: GOOD, messages: QUESTION });
  assert.equal(answer.choices[0].message.content, ANSWER);
});

test("requests that are wrong", async () => {
  const error = await raises(OpenAI.BadRequestError, () => chat(GOOD, { messages: undefined }), "missing_required_parameter");
  assert.equal(error.param, "messages");
  await raises(OpenAI.BadRequestError, () => chat("claude-good"), "wrong_endpoint");
  await raises(OpenAI.NotFoundError, () => chat("unknown"), "model_not_found");
  const stranger = new OpenAI({ apiKey: "sk-wrong-0123456789", maxRetries: 0 });
  const ask = () => stranger.chat.completions.create({ model: GOOD, messages: QUESTION });
  await raises(OpenAI.AuthenticationError, ask, "invalid_api_key");
});

test("providers that fail", async () => {
  for (const stream of [false, true]) {
    let error = await raises(OpenAI.RateLimitError, () => chat("gpt-limited", { stream }), "rate_limit_exceeded");
    assert.equal(error.headers.get("retry-after"), "7");
    error = await raises(OpenAI.InternalServerError, () => chat("gpt-overloaded", { stream }));
    assert.equal(error.status, 503);
    error = await raises(OpenAI.InternalServerError, () => chat("gpt-broken", { stream }));
    assert.equal(error.status, 500);
  }
  await isWell();
});

test("a provider that breaks off", async () => {
  const error = await raises(OpenAI.InternalServerError, () => chat("gpt-cut"), "upstream_cut");
  assert.equal(error.status, 502);
  // One after the other: a node may put both on one connection, and the provider cuts that.
  for (const ask of [() => chat("gpt-cut", { stream: true }), () => respond({ model: "gpt-cut", stream: true })]) {
    const heard = [];
    const listen = async () => {
      for await (const item of await ask()) heard.push(item);
    };
    await raises(OpenAI.APIError, listen, "upstream_cut");
    assert.ok(heard.length >= 5);
  }
});

test("a model that the policy does not accept", async () => {
  if (STRAIGHT) {
    assert.ok((await chat("tiny", { max_tokens: 2 })).id);
  } else {
    for (const stream of [false, true]) {
      // It says so itself that there is no use in asking again.
      await raises(OpenAI.InternalServerError, () => chat("tiny", { stream }, { maxRetries: 5 }), "model.not_accepted");
    }
  }
  await isWell();
});

test("timeouts", async () => {
  for (const stream of [false, true]) {
    await raises(OpenAI.APIConnectionTimeoutError, () => chat("gpt-silent", { stream }, { timeout: 300 }));
  }
  await isWell();
});

test("aborting", async () => {
  const early = new AbortController();
  setTimeout(() => early.abort(), 300);
  await raises(OpenAI.APIUserAbortError, () => chat("gpt-silent", {}, { signal: early.signal }));

  const late = new AbortController();
  const heard = [];
  for await (const chunk of await chat("gpt-endless", { stream: true }, { signal: late.signal })) {
    heard.push(chunk);
    if (heard.length === 3) late.abort();
  }
  assert.ok(said(heard).startsWith("You"));
  await isWell();
});

test("leaving a stream early", async () => {
  for await (const chunk of await chat("gpt-endless", { stream: true })) {
    if (said([chunk])) break;
  }
  const stream = client.responses.stream({ model: "gpt-endless", input: "one" });
  stream.on("response.output_text.delta", () => stream.abort());
  await raises(OpenAI.APIUserAbortError, () => stream.done());
  await isWell();
});

test("many at once", async () => {
  const ask = async (number) => {
    const messages = [{ role: "user", content: `number ${number}` }];
    if (number % 2) return (await chat(GOOD, { messages })).choices[0].message.content;
    return said(await collected(chat(GOOD, { messages, stream: true })));
  };
  const numbers = [...Array(40).keys()];
  assert.deepEqual(await Promise.all(numbers.map(ask)), numbers.map((number) => `You said: number ${number}`));
});
