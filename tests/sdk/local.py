"""What users of the official openai client rely on from a model of the node's own. Run by tests/sdk.rs, both ways."""

import asyncio
import json
import os
import ssl
import unittest

import openai

CA = os.environ.get("QUOTH_CA")  # Absent behind the proxy.
TRUST = ssl.create_default_context(cafile=CA) if CA else True
MODEL = "tiny"
QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why is the sky blue?"}]


class Client(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(api_key="none", max_retries=0, http_client=openai.DefaultHttpxClient(verify=TRUST))
        self.addCleanup(self.client.close)

    def chat(self, **options):
        return self.client.chat.completions.create(**{"model": MODEL, "messages": QUESTION, "max_tokens": 12, **options})

    def test_models(self):
        self.assertIn(MODEL, [model.id for model in self.client.models.list()])

    def test_chat(self):
        answer = self.chat(seed=3)
        choice = answer.choices[0]
        self.assertEqual((answer.object, answer.model), ("chat.completion", MODEL))
        self.assertEqual((choice.index, choice.message.role), (0, "assistant"))
        self.assertIn(choice.finish_reason, ("stop", "length"))
        self.assertIsInstance(choice.message.content, str)
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
        self.assertEqual(self.chat(seed=3).choices[0].message.content, choice.message.content)

    def test_for_the_auditor(self):
        question = [{"role": "user", "content": "for the auditor"}]
        self.assertTrue(self.chat(messages=question).id)
        self.assertTrue(list(self.chat(messages=question, stream=True)))

    def test_what_proves_it_travels_in_headers(self):
        raw = self.client.chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION, max_tokens=4)
        names = ["quoth-cti", "quoth-node", "quoth-opening", "quoth-receipt"]
        # The proxy keeps what it has checked.
        there = names if CA else names[:2]
        self.assertEqual([name for name in names if name in raw.headers], there)
        self.assertEqual(raw.parse().object, "chat.completion")

    def test_max_completion_tokens(self):
        answer = self.client.chat.completions.create(model=MODEL, messages=QUESTION, max_completion_tokens=3)
        self.assertLessEqual(answer.usage.completion_tokens, 3)

    def test_streaming_says_the_same(self):
        whole = self.chat(seed=5, temperature=0.7).choices[0]
        chunks = list(self.chat(seed=5, temperature=0.7, stream=True, stream_options={"include_usage": True}))
        self.assertEqual({chunk.object for chunk in chunks}, {"chat.completion.chunk"})
        self.assertEqual(len({chunk.id for chunk in chunks}), 1)
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        self.assertEqual(said, whole.message.content)
        reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
        self.assertEqual(reasons, [whole.finish_reason])
        self.assertEqual(chunks[-1].choices, [])
        self.assertLessEqual(chunks[-1].usage.completion_tokens, 12)

    def test_the_streaming_helper(self):
        with self.client.chat.completions.stream(model=MODEL, messages=QUESTION, max_tokens=6) as stream:
            said = "".join(event.delta for event in stream if event.type == "content.delta")
            choice = stream.current_completion_snapshot.choices[0]
            self.assertEqual((choice.message.role, choice.message.content or ""), ("assistant", said))
            self.assertIn(choice.finish_reason, ("stop", "length"))

    def test_leaving_a_stream_early(self):
        with self.chat(stream=True, max_tokens=500) as stream:
            next(iter(stream))
        self.assertTrue(self.chat().id)

    def test_logprobs(self):
        for stream in (False, True):
            answer = self.chat(logprobs=True, top_logprobs=3, stream=stream)
            parts = [chunk.choices[0].logprobs for chunk in answer if chunk.choices] if stream else [answer.choices[0].logprobs]
            tokens = [token for part in parts if part for token in part.content or []]
            self.assertTrue(tokens)
            for token in tokens:
                self.assertLessEqual(token.logprob, 0)
                self.assertEqual(len(token.top_logprobs), 3)
                best = [top.logprob for top in token.top_logprobs]
                self.assertEqual(best, sorted(best, reverse=True))
                self.assertIsInstance(token.bytes, list)

    def test_json_schema(self):
        schema = {
            "type": "object",
            "properties": {"colour": {"enum": ["red", "green"]}, "count": {"type": "integer"}},
            "required": ["colour", "count"],
            "additionalProperties": False,
        }
        form = {"type": "json_schema", "json_schema": {"name": "thing", "strict": True, "schema": schema}}
        # A tiny model may go on with digits for ever: only an answer that came to its end must be whole.
        for seed in range(20):
            choice = self.chat(response_format=form, max_tokens=200, seed=seed).choices[0]
            if choice.finish_reason == "stop":
                break
        self.assertEqual(choice.finish_reason, "stop")
        thing = json.loads(choice.message.content)
        self.assertEqual(set(thing), {"colour", "count"})
        self.assertIn(thing["colour"], ("red", "green"))
        self.assertIsInstance(thing["count"], int)

    def test_completions(self):
        answer = self.client.completions.create(model=MODEL, prompt="Once upon", max_tokens=5, seed=1, temperature=0)
        said = self.client.completions.create(model=MODEL, prompt="Once upon", max_tokens=5, seed=1, temperature=0, stream=True)
        self.assertEqual(answer.object, "text_completion")
        self.assertEqual("".join(chunk.choices[0].text for chunk in said if chunk.choices), answer.choices[0].text)

    def test_stop(self):
        whole = self.chat(temperature=0, max_tokens=30).choices[0].message.content
        stop = whole[len(whole) // 2 :][:3]
        answer = self.chat(temperature=0, max_tokens=30, stop=[stop]).choices[0]
        self.assertEqual(answer.finish_reason, "stop")
        self.assertEqual(answer.message.content, whole[: whole.index(stop)])

    def test_errors_are_its_own_exceptions(self):
        wrong = [{"temperature": 3}, {"top_p": -1}, {"seed": 0xFFFFFFFF}, {"n": 2}, {"stop": ["a"] * 5}, {"logprobs": False, "top_logprobs": 3}]
        for options in wrong:
            with self.subTest(options), self.assertRaises(openai.BadRequestError) as caught:
                self.chat(**options)
            self.assertTrue(caught.exception.code)
            self.assertTrue(caught.exception.param)
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(messages=[{"role": "user", "content": "word " * 5000}])
        self.assertEqual(caught.exception.code, "context_length_exceeded")
        with self.assertRaises(openai.BadRequestError):
            self.chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])
        with self.assertRaises(openai.NotFoundError) as caught:
            self.chat(model="other")
        self.assertEqual(caught.exception.code, "model_not_found")
        with self.assertRaises(openai.NotFoundError):
            self.client.post("/nothing/here", cast_to=object, body={})
        with self.assertRaises(openai.APIStatusError) as caught:
            self.chat(messages=[{"role": "user", "content": "a" * (4 << 20)}])
        self.assertEqual(caught.exception.status_code, 413)

    def test_async_chats_at_once(self):
        async def main():
            http = openai.DefaultAsyncHttpxClient(verify=TRUST)
            async with openai.AsyncOpenAI(api_key="none", max_retries=0, http_client=http) as client:
                asked = [client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=4) for _ in range(8)]
                return await asyncio.gather(*asked)

        self.assertEqual(len({answer.id for answer in asyncio.run(main())}), 8)


if __name__ == "__main__":
    unittest.main()
