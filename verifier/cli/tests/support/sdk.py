"""Asks through the proxy at the URL given, as a program with the official openai client does. Prints what came of it."""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="none")
question = {"model": "tiny", "messages": [{"role": "user", "content": "a secret question"}]}


def whole():
    return client.chat.completions.create(**question).choices[0].message.content


def streamed():
    chunks = client.chat.completions.create(**question, stream=True)
    return "".join(chunk.choices[0].delta.content for chunk in chunks)


def responses():
    return len(list(client.responses.create(model="tiny", input="a secret question", stream=True)))


for ask in (whole, streamed, responses):
    try:
        outcome = {"answer": ask()}
    except openai.APIError as error:
        outcome = {"raised": type(error).__name__, "code": error.code}
    print(json.dumps(outcome))
