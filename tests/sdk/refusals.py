"""Asks through a proxy in front of a node that may lie, with both clients for Python. Prints what came of each question.

Run by verifier/cli/tests/proxy.rs, which knows what the node does to its answers.
"""

import json

import anthropic
import openai

question = {"model": "tiny", "messages": [{"role": "user", "content": "a secret question"}]}
chat = openai.OpenAI().chat.completions
messages = anthropic.Anthropic().messages


def whole():
    return chat.create(**question).choices[0].message.content


def streamed():
    return "".join(chunk.choices[0].delta.content for chunk in chat.create(**question, stream=True))


def responses():
    return len(list(openai.OpenAI().responses.create(model="tiny", input="a secret question", stream=True)))


def message():
    return messages.create(**question, max_tokens=9).choices[0]["message"]["content"]


def streamed_message():
    # The node's events have no names, so this client passes them over.
    return len(list(messages.create(**question, max_tokens=9, stream=True)))


for ask in (whole, streamed, responses, message, streamed_message):
    try:
        outcome = {"answer": ask()}
    except openai.APIError as error:
        outcome = {"raised": type(error).__name__, "code": error.code}
    except anthropic.APIError as error:
        outcome = {"raised": type(error).__name__, "code": error.body["error"]["code"]}
    print(json.dumps(outcome))
