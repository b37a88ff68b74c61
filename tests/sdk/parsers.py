"""Reads event streams with the parsers of the official SDKs for Python. One stream a line comes in, as a JSON list of its
pieces in hex; one line goes out, with what each parser made of it: `ended`, `passed` (it went on to the sentinel) or `raised`."""

import json
import sys

import anthropic
import httpx2
import openai

ENDS = {"message_stop", "response.completed", "response.failed", "response.incomplete"}
PARSERS = {
    "openai": (openai.Stream, openai.OpenAI(api_key="none", base_url="http://localhost")),
    "anthropic": (anthropic.Stream, anthropic.Anthropic(api_key="none", base_url="http://localhost")),
}


def read(parser: str, pieces: list[bytes]) -> str:
    stream, client = PARSERS[parser]
    request = httpx2.Request("POST", "http://localhost")
    response = httpx2.Response(200, content=iter(pieces), request=request)
    try:
        for event in stream(cast_to=object, response=response, client=client):
            kind = event.get("type") if isinstance(event, dict) else None
            if kind == "sentinel":
                return "passed"
            if isinstance(kind, str) and kind in ENDS:
                return "ended"
    except Exception:
        return "raised"
    return "ended"


for line in sys.stdin:
    pieces = [bytes.fromhex(piece) for piece in json.loads(line)]
    print(json.dumps({f"{parser} for Python": read(parser, pieces) for parser in PARSERS}))
