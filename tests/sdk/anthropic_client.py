"""What users of the official anthropic client for Python rely on. Run by tests/sdk.rs, straight and through the proxy.

A model's name says how the provider behind it behaves; one that is well says `You said: ` and the question.
"""

import asyncio
import os
import ssl
import unittest
from typing import Literal

import anthropic
from pydantic import BaseModel

CA = os.environ.get("QUOTH_CA")  # Absent behind the proxy.
TRUST = ssl.create_default_context(cafile=CA) if CA else True
GOOD = "claude-good"
QUESTION = [{"role": "user", "content": "one two three"}]
ANSWER = "You said: one two three"
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
WEATHER = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
TOOLS = [{"name": "weather", "description": "Tells the weather.", "input_schema": WEATHER}]


class Paint(BaseModel):
    name: str
    colour: Literal["red", "green"]
    litres: int


PAINT = Paint(name=ANSWER, colour="red", litres=1)


def client(**options):
    http = anthropic.DefaultHttpxClient(verify=TRUST)
    return anthropic.Anthropic(**{"max_retries": 0, "http_client": http, **options})


def async_client():
    return anthropic.AsyncAnthropic(max_retries=0, http_client=anthropic.DefaultAsyncHttpxClient(verify=TRUST))


def said(events):
    return "".join(event.delta.text for event in events if event.type == "content_block_delta")


class Case(unittest.TestCase):
    def setUp(self):
        self.client = client()
        self.addCleanup(self.client.close)

    def ask(self, model=GOOD, **options):
        return self.client.messages.create(**{"model": model, "max_tokens": 100, "messages": QUESTION, **options})

    def raises(self, kind, ask, type=None):
        with self.assertRaises(kind) as caught:
            ask()
        if type:
            self.assertEqual(caught.exception.body["error"]["type"], type)
        return caught.exception

    def is_well(self):
        self.assertEqual(self.ask().content[0].text, ANSWER)


class Messages(Case):
    def test_whole(self):
        answer = self.ask(system="Be brief.")
        self.assertEqual((answer.type, answer.role, answer.model), ("message", "assistant", "claude-good-2026-01-01"))
        self.assertEqual((answer.content[0].text, answer.stop_reason), (ANSWER, "end_turn"))
        self.assertEqual((answer.usage.input_tokens, answer.usage.output_tokens), (5, 5))
        self.assertEqual(self.ask(max_tokens=2).stop_reason, "max_tokens")

    def test_streamed(self):
        events = list(self.ask(stream=True))
        self.assertEqual(said(events), ANSWER)
        self.assertEqual([event.type for event in events[:2]], ["message_start", "content_block_start"])
        self.assertEqual([event.type for event in events[-2:]], ["message_delta", "message_stop"])
        self.assertEqual((events[-2].delta.stop_reason, events[-2].usage.output_tokens), ("end_turn", 5))

    def test_streaming_helper(self):
        with self.client.messages.stream(model=GOOD, max_tokens=100, messages=QUESTION) as stream:
            self.assertEqual("".join(stream.text_stream), ANSWER)
            message = stream.get_final_message()
        self.assertEqual((message.content[0].text, message.usage.output_tokens), (ANSWER, 5))

    def test_for_the_auditor(self):
        question = [{"role": "user", "content": "for the auditor"}]
        self.assertEqual(self.ask(messages=question).content[0].text, "You said: for the auditor")
        self.assertEqual(said(self.ask(messages=question, stream=True)), "You said: for the auditor")

    def test_images(self):
        content = [IMAGE, IMAGE, {"type": "text", "text": "one"}]
        answer = self.ask(messages=[{"role": "user", "content": content}])
        self.assertEqual(answer.content[0].text, "You said, with 2 images: one")

    def test_structured_output(self):
        answer = self.client.messages.parse(model=GOOD, max_tokens=100, messages=QUESTION, output_format=Paint)
        self.assertEqual(answer.parsed_output, PAINT)
        with self.client.messages.stream(model=GOOD, max_tokens=100, messages=QUESTION, output_format=Paint) as stream:
            self.assertEqual(stream.get_final_message().parsed_output, PAINT)

    def test_tools(self):
        answer = self.ask(tools=TOOLS)
        (call,) = answer.content
        self.assertEqual((answer.stop_reason, call.type, call.name), ("tool_use", "tool_use", "weather"))
        self.assertEqual(call.input, {"place": ANSWER})
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "no rain"}
        turns = [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
        answer = self.ask(tools=TOOLS, messages=QUESTION + turns)
        self.assertEqual((answer.content[0].text, answer.stop_reason), (ANSWER, "end_turn"))

    def test_streamed_tools(self):
        with self.client.messages.stream(model=GOOD, max_tokens=100, messages=QUESTION, tools=TOOLS) as stream:
            pieces = [event.partial_json for event in stream if event.type == "input_json"]
            (call,) = stream.get_final_message().content
        self.assertGreater(len(pieces), 2)
        self.assertEqual((call.name, call.input), ("weather", {"place": ANSWER}))

    def test_tool_runner(self):
        asked = []

        @anthropic.beta_tool
        def weather(place: str) -> str:
            """Tells the weather.

            Args:
                place: Where.
            """
            asked.append(place)
            return "no rain"

        runner = self.client.beta.messages.tool_runner(model=GOOD, max_tokens=100, messages=QUESTION, tools=[weather])
        # It sends what is new and leaves the rest to the provider's memory; this one has none.
        self.assertEqual((runner.until_done().content[0].text, asked), ("You said: ", [ANSWER]))


class Others(Case):
    def test_models(self):
        self.assertIn((GOOD, GOOD), [(model.id, model.display_name) for model in self.client.models.list()])
        self.assertEqual(self.client.models.retrieve(GOOD).type, "model")
        self.raises(anthropic.NotFoundError, lambda: self.client.models.retrieve("unknown"), "not_found_error")

    def test_what_proves_it_travels_in_headers(self):
        raw = self.client.messages.with_raw_response.create(model=GOOD, max_tokens=100, messages=QUESTION)
        self.assertEqual(raw.parse().content[0].text, ANSWER)
        names = ["quoth-cti", "quoth-node", "quoth-opening", "quoth-receipt"]
        # The proxy keeps what it has checked.
        there = names if CA else names[:2]
        self.assertEqual([name for name in names if name in raw.headers], there)
        ask = self.client.messages.with_streaming_response.create
        with ask(model=GOOD, max_tokens=100, messages=QUESTION, stream=True) as raw:
            records = [line for line in raw.iter_lines() if line.startswith(": quoth ")]
        self.assertEqual(len(records) >= 2, bool(CA), records)

    def test_the_operators_key(self):
        with client(api_key="none") as nobody:
            answer = nobody.messages.create(model=GOOD, max_tokens=100, messages=QUESTION)
        self.assertEqual(answer.content[0].text, ANSWER)


class Errors(Case):
    def test_requests_that_are_wrong(self):
        ask = lambda: self.ask(extra_body={"max_tokens": None})
        error = self.raises(anthropic.BadRequestError, ask, "invalid_request_error")
        self.assertIn("max_tokens: Field required", error.message)
        self.raises(anthropic.BadRequestError, lambda: self.ask("gpt-good"), "invalid_request_error")
        self.raises(anthropic.NotFoundError, lambda: self.ask("unknown"), "not_found_error")
        # Not forwarded yet.
        ask = lambda: self.client.messages.count_tokens(model=GOOD, messages=QUESTION)
        self.raises(anthropic.NotFoundError, ask)

    def test_a_wrong_key(self):
        with client(api_key="sk-wrong-0123456789") as stranger:
            ask = lambda: stranger.messages.create(model=GOOD, max_tokens=100, messages=QUESTION)
            error = self.raises(anthropic.AuthenticationError, ask, "authentication_error")
        self.assertTrue(error.request_id.startswith("req_"))

    def test_providers_that_fail(self):
        for stream in (False, True):
            ask = lambda: self.ask("claude-limited", stream=stream)
            error = self.raises(anthropic.RateLimitError, ask, "rate_limit_error")
            self.assertEqual(error.response.headers["retry-after"], "7")
            self.raises(anthropic.OverloadedError, lambda: self.ask("claude-overloaded", stream=stream), "overloaded_error")
            error = self.raises(anthropic.InternalServerError, lambda: self.ask("claude-broken", stream=stream))
            self.assertEqual(error.status_code, 500)
        self.is_well()

    def test_a_provider_that_breaks_off(self):
        error = self.raises(anthropic.InternalServerError, lambda: self.ask("claude-cut"), "api_error")
        self.assertEqual(error.status_code, 502)
        events = []
        error = self.raises(anthropic.APIStatusError, lambda: events.extend(self.ask("claude-cut", stream=True)), "api_error")
        self.assertIn("cut", error.message)
        self.assertTrue(ANSWER.startswith(said(events)) and said(events))

    def test_a_model_that_the_policy_does_not_accept(self):
        # No model of the node's own speaks this API.
        refused = anthropic.BadRequestError if CA else anthropic.InternalServerError
        again = self.client.with_options(max_retries=5).messages
        ask = lambda: again.create(model="tiny", max_tokens=2, messages=QUESTION)
        self.raises(refused, ask, "invalid_request_error" if CA else "quoth_refused")
        self.is_well()


class Patience(Case):
    def test_timeouts(self):
        self.raises(anthropic.APITimeoutError, lambda: self.ask("claude-silent", timeout=0.3))
        self.raises(anthropic.APITimeoutError, lambda: self.ask("claude-silent", timeout=0.3, stream=True))
        self.is_well()

    def test_leaving_a_stream_early(self):
        with self.client.messages.stream(model="claude-endless", max_tokens=100_000, messages=QUESTION) as stream:
            next(stream.text_stream)
        for _ in self.ask("claude-endless", max_tokens=100_000, stream=True):
            break
        self.is_well()

    def test_many_at_once(self):
        async def ask(client, number):
            question = {"max_tokens": 100, "messages": [{"role": "user", "content": f"number {number}"}]}
            if number % 2:
                return (await client.messages.create(model=GOOD, **question)).content[0].text
            async with client.messages.stream(model=GOOD, **question) as stream:
                return await stream.get_final_text()

        async def main():
            async with async_client() as client:
                return await asyncio.gather(*(ask(client, number) for number in range(40)))

        self.assertEqual(asyncio.run(main()), [f"You said: number {number}" for number in range(40)])

    def test_cancelling(self):
        async def stream(client):
            async with client.messages.stream(model="claude-endless", max_tokens=100_000, messages=QUESTION) as stream:
                await stream.until_done()

        async def main():
            async with async_client() as client:
                whole = client.messages.create(model="claude-silent", max_tokens=100, messages=QUESTION)
                tasks = [asyncio.create_task(task) for task in (whole, stream(client), stream(client))]
                await asyncio.sleep(1)
                for task in tasks:
                    task.cancel()
                gone = await asyncio.gather(*tasks, return_exceptions=True)
                answer = await client.messages.create(model=GOOD, max_tokens=100, messages=QUESTION)
                return gone, answer.content[0].text

        gone, answer = asyncio.run(main())
        self.assertEqual([type(error) for error in gone], [asyncio.CancelledError] * 3)
        self.assertEqual(answer, ANSWER)


if __name__ == "__main__":
    unittest.main()
