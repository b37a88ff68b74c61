"""What users of the official openai client for Python rely on. Run by tests/sdk.rs, straight and through the proxy.

A model's name says how the provider behind it behaves; one that is well says `You said: ` and the question.
"""

import asyncio
import os
import ssl
import unittest
from typing import Literal

import openai
from pydantic import BaseModel

CA = os.environ.get("QUOTH_CA")  # Absent behind the proxy.
TRUST = ssl.create_default_context(cafile=CA) if CA else True
GOOD = "gpt-good"
QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}]
ANSWER = "You said: one two three"
IMAGE = "data:image/png;base64,iVBORw0KGgo="
WEATHER = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"], "additionalProperties": False}


class Paint(BaseModel):
    name: str
    colour: Literal["red", "green"]
    litres: int


PAINT = Paint(name=ANSWER, colour="red", litres=1)


class Weather(BaseModel):
    place: str


def client(**options):
    http = openai.DefaultHttpxClient(verify=TRUST)
    return openai.OpenAI(**{"max_retries": 0, "http_client": http, **options})


def async_client():
    return openai.AsyncOpenAI(max_retries=0, http_client=openai.DefaultAsyncHttpxClient(verify=TRUST))


def said(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


class Case(unittest.TestCase):
    def setUp(self):
        self.client = client()
        self.addCleanup(self.client.close)

    def chat(self, model=GOOD, **options):
        return self.client.chat.completions.create(**{"model": model, "messages": QUESTION, **options})

    def raises(self, kind, ask, code=None):
        with self.assertRaises(kind) as caught:
            ask()
        self.assertIs(type(caught.exception), kind)
        if code:
            self.assertEqual(caught.exception.code, code)
        return caught.exception

    def is_well(self):
        self.assertEqual(self.chat().choices[0].message.content, ANSWER)


class Chat(Case):
    def test_whole(self):
        answer = self.chat()
        choice = answer.choices[0]
        self.assertEqual((answer.object, answer.model), ("chat.completion", "gpt-good-2026-01-01"))
        self.assertEqual((choice.message.role, choice.message.content, choice.finish_reason), ("assistant", ANSWER, "stop"))
        self.assertEqual((answer.usage.prompt_tokens, answer.usage.completion_tokens), (5, 5))
        self.assertEqual(self.chat(max_tokens=3).choices[0].finish_reason, "length")

    def test_streamed(self):
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual(said(chunks), ANSWER)
        self.assertEqual(len({chunk.id for chunk in chunks}), 1)
        self.assertEqual([chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1], "stop")
        self.assertEqual(chunks[-1].usage.completion_tokens, 5)

    def test_streaming_helper(self):
        with self.client.chat.completions.stream(model=GOOD, messages=QUESTION) as stream:
            deltas = [event.delta for event in stream if event.type == "content.delta"]
            self.assertEqual("".join(deltas), ANSWER)
            self.assertGreaterEqual(len(deltas), 5)
            self.assertEqual(stream.get_final_completion().choices[0].message.content, ANSWER)

    def test_for_the_auditor(self):
        question = [{"role": "user", "content": "for the auditor"}]
        self.assertEqual(self.chat(messages=question).choices[0].message.content, "You said: for the auditor")
        self.assertEqual(said(self.chat(messages=question, stream=True)), "You said: for the auditor")

    def test_images(self):
        content = [{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
        answer = self.chat(messages=[{"role": "user", "content": content}])
        self.assertEqual(answer.choices[0].message.content, "You said, with 1 images: one")

    def test_structured_output(self):
        answer = self.client.chat.completions.parse(model=GOOD, messages=QUESTION, response_format=Paint)
        self.assertEqual(answer.choices[0].message.parsed, PAINT)
        with self.client.chat.completions.stream(model=GOOD, messages=QUESTION, response_format=Paint) as stream:
            self.assertEqual(stream.get_final_completion().choices[0].message.parsed, PAINT)

    def test_tools(self):
        tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
        message = self.chat(tools=tools).choices[0].message
        (call,) = message.tool_calls
        self.assertEqual((call.type, call.function.name), ("function", "weather"))
        self.assertEqual(Weather.model_validate_json(call.function.arguments).place, ANSWER)
        result = {"role": "tool", "tool_call_id": call.id, "content": "no rain"}
        answer = self.chat(tools=tools, messages=[*QUESTION, message, result]).choices[0]
        self.assertEqual((answer.message.content, answer.finish_reason), (ANSWER, "stop"))

    def test_streamed_tools(self):
        tools = [openai.pydantic_function_tool(Weather)]
        with self.client.chat.completions.stream(model=GOOD, messages=QUESTION, tools=tools) as stream:
            events = [event for event in stream if event.type.startswith("tool_calls.function.arguments.")]
            (call,) = stream.get_final_completion().choices[0].message.tool_calls
        self.assertGreater(len(events), 2)
        self.assertEqual("".join(event.arguments_delta for event in events[:-1]), call.function.arguments)
        self.assertEqual((call.function.name, call.function.parsed_arguments), ("Weather", Weather(place=ANSWER)))


class Responses(Case):
    def ask(self, **options):
        return self.client.responses.create(**{"model": GOOD, "input": "one two three", **options})

    def test_whole(self):
        answer = self.ask(instructions="Be brief.")
        self.assertEqual((answer.status, answer.output_text), ("completed", ANSWER))
        self.assertEqual((answer.usage.input_tokens, answer.usage.output_tokens), (5, 5))
        content = [{"type": "input_text", "text": "one"}, {"type": "input_image", "image_url": IMAGE, "detail": "auto"}]
        answer = self.ask(input=[{"role": "user", "content": content}])
        self.assertEqual(answer.output_text, "You said, with 1 images: one")

    def test_streamed(self):
        events = list(self.ask(stream=True))
        self.assertEqual("".join(event.delta for event in events if event.type == "response.output_text.delta"), ANSWER)
        self.assertEqual([event.sequence_number for event in events], list(range(len(events))))
        self.assertEqual((events[-1].type, events[-1].response.output_text), ("response.completed", ANSWER))

    def test_structured_output(self):
        answer = self.client.responses.parse(model=GOOD, input="one two three", text_format=Paint)
        self.assertEqual(answer.output_parsed, PAINT)
        with self.client.responses.stream(model=GOOD, input="one two three", text_format=Paint) as stream:
            self.assertEqual(stream.get_final_response().output_parsed, PAINT)

    def test_tools(self):
        tools = [{"type": "function", "name": "weather", "parameters": WEATHER, "strict": True}]
        with self.client.responses.stream(model=GOOD, input="one two three", tools=tools) as stream:
            deltas = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
            (call,) = stream.get_final_response().output
        self.assertEqual(("".join(deltas), call.name), (call.arguments, "weather"))
        self.assertEqual(Weather.model_validate_json(call.arguments).place, ANSWER)
        asked = {"role": "user", "content": "one two three"}
        called = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "no rain"}
        self.assertEqual(self.ask(input=[asked, called, result], tools=tools).output_text, ANSWER)


class Others(Case):
    def test_embeddings(self):
        # The client asks for base64 unless told otherwise.
        packed = self.client.embeddings.create(model=GOOD, input=["one", "two"])
        plain = self.client.embeddings.create(model=GOOD, input=["one", "two"], encoding_format="float")
        self.assertEqual([len(item.embedding) for item in packed.data], [1536, 1536])
        for one, other in zip(packed.data, plain.data):
            self.assertAlmostEqual(sum(x * y for x, y in zip(one.embedding, other.embedding)), 1, places=5)
        self.assertNotEqual(plain.data[0].embedding, plain.data[1].embedding)

    def test_models(self):
        models = {model.id: model.owned_by for model in self.client.models.list()}
        self.assertEqual((models["tiny"], models[GOOD]), ("quoth", "openai-good"))
        self.assertEqual(self.client.models.retrieve(GOOD).owned_by, "openai-good")
        self.raises(openai.NotFoundError, lambda: self.client.models.retrieve("un/known"), "model_not_found")

    def test_what_proves_it_travels_in_headers(self):
        raw = self.client.chat.completions.with_raw_response.create(model=GOOD, messages=QUESTION)
        self.assertEqual(raw.parse().choices[0].message.content, ANSWER)
        names = ["quoth-cti", "quoth-node", "quoth-opening", "quoth-receipt"]
        # The proxy keeps what it has checked.
        there = names if CA else names[:2]
        self.assertEqual([name for name in names if name in raw.headers], there)
        self.assertTrue(raw.headers["x-request-id"].startswith("req_"))
        with self.client.chat.completions.with_streaming_response.create(model=GOOD, messages=QUESTION, stream=True) as raw:
            records = [line for line in raw.iter_lines() if line.startswith(": quoth ")]
        self.assertEqual(len(records) >= 2, bool(CA), records)

    def test_a_node_that_is_not_trusted(self):
        url = os.environ["QUOTH_NODE"]
        self.raises(openai.APIConnectionError, openai.OpenAI(base_url=url, max_retries=0).models.list)

    def test_the_operators_key(self):
        with client(api_key="none") as nobody:
            answer = nobody.chat.completions.create(model=GOOD, messages=QUESTION)
        self.assertEqual(answer.choices[0].message.content, ANSWER)


class Errors(Case):
    def test_requests_that_are_wrong(self):
        ask = lambda: self.chat(extra_body={"messages": None})
        error = self.raises(openai.BadRequestError, ask, "missing_required_parameter")
        self.assertEqual(error.param, "messages")
        self.raises(openai.BadRequestError, lambda: self.chat("claude-good"), "wrong_endpoint")
        error = self.raises(openai.NotFoundError, lambda: self.chat("unknown"), "model_not_found")
        self.assertEqual(error.param, "model")
        self.raises(openai.NotFoundError, lambda: self.client.post("/nothing", cast_to=object, body={}))

    def test_a_wrong_key(self):
        with client(api_key="sk-wrong-0123456789") as stranger:
            ask = lambda: stranger.chat.completions.create(model=GOOD, messages=QUESTION)
            error = self.raises(openai.AuthenticationError, ask, "invalid_api_key")
        self.assertTrue(error.request_id.startswith("req_"))

    def test_providers_that_fail(self):
        for stream in (False, True):
            error = self.raises(openai.RateLimitError, lambda: self.chat("gpt-limited", stream=stream), "rate_limit_exceeded")
            self.assertEqual(error.response.headers["retry-after"], "7")
            error = self.raises(openai.InternalServerError, lambda: self.chat("gpt-overloaded", stream=stream))
            self.assertEqual((error.status_code, error.type), (503, "server_error"))
            error = self.raises(openai.InternalServerError, lambda: self.chat("gpt-broken", stream=stream))
            self.assertEqual(error.status_code, 500)
        self.is_well()

    def test_a_provider_that_breaks_off(self):
        error = self.raises(openai.InternalServerError, lambda: self.chat("gpt-cut"), "upstream_cut")
        self.assertEqual(error.status_code, 502)
        chunks = []
        self.raises(openai.APIError, lambda: chunks.extend(self.chat("gpt-cut", stream=True)), "upstream_cut")
        self.assertTrue(ANSWER.startswith(said(chunks)) and said(chunks))
        events = []
        stream = self.client.responses.create(model="gpt-cut", input="one two three", stream=True)
        self.raises(openai.APIError, lambda: events.extend(stream), "upstream_cut")
        self.assertEqual(events[-1].type, "response.output_text.delta")

    def test_a_model_that_the_policy_does_not_accept(self):
        if CA:
            self.assertTrue(self.chat("tiny", max_tokens=2).id)
        else:
            for stream in (False, True):
                # It says so itself that there is no use in asking again.
                again = self.client.with_options(max_retries=5).chat.completions
                ask = lambda: again.create(model="tiny", messages=QUESTION, stream=stream)
                self.raises(openai.InternalServerError, ask, "model.not_accepted")
        self.is_well()


class Patience(Case):
    def test_timeouts(self):
        self.raises(openai.APITimeoutError, lambda: self.chat("gpt-silent", timeout=0.3))
        self.raises(openai.APITimeoutError, lambda: self.chat("gpt-silent", timeout=0.3, stream=True))
        chunks = []
        self.raises(openai.APITimeoutError, lambda: chunks.extend(self.chat("gpt-stalled", timeout=2, stream=True)))
        self.assertTrue(said(chunks))
        self.is_well()

    def test_leaving_a_stream_early(self):
        with self.chat("gpt-endless", stream=True) as stream:
            next(iter(stream))
        for _ in self.client.responses.create(model="gpt-endless", input="one", stream=True):
            break
        self.is_well()

    def test_many_at_once(self):
        async def ask(client, number):
            question = [{"role": "user", "content": f"number {number}"}]
            if number % 2:
                answer = await client.chat.completions.create(model=GOOD, messages=question)
                return answer.choices[0].message.content
            chunks = await client.chat.completions.create(model=GOOD, messages=question, stream=True)
            return said([chunk async for chunk in chunks])

        async def main():
            async with async_client() as client:
                return await asyncio.gather(*(ask(client, number) for number in range(40)))

        self.assertEqual(asyncio.run(main()), [f"You said: number {number}" for number in range(40)])

    def test_cancelling(self):
        async def stream(client):
            async for _ in await client.chat.completions.create(model="gpt-endless", messages=QUESTION, stream=True):
                pass

        async def main():
            async with async_client() as client:
                whole = client.chat.completions.create(model="gpt-silent", messages=QUESTION)
                tasks = [asyncio.create_task(task) for task in (whole, stream(client), stream(client))]
                await asyncio.sleep(1)
                for task in tasks:
                    task.cancel()
                gone = await asyncio.gather(*tasks, return_exceptions=True)
                answer = await client.chat.completions.create(model=GOOD, messages=QUESTION)
                return gone, answer.choices[0].message.content

        gone, answer = asyncio.run(main())
        self.assertEqual([type(error) for error in gone], [asyncio.CancelledError] * 3)
        self.assertEqual(answer, ANSWER)


if __name__ == "__main__":
    unittest.main()
