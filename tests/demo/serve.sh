#!/usr/bin/env bash
# tests/demo/serve.sh QUOTH MODEL [OPTIONS]: a node that stays up, and what to paste into another terminal.
set -euo pipefail
quoth="$1" model="$2"; shift 2
name=smollm2-135m-instruct url=https://localhost:8443/v1 ca="$PWD/run/ca.pem"
cat <<PASTE
Once it is ready, in another terminal:

  curl --cacert $ca $url/chat/completions -H 'content-type: application/json' \\
    -d '{"model":"$name","messages":[{"role":"user","content":"Why is the sky blue?"}]}'

  python3 - <<'PY'            # pip install openai
import openai, ssl
http = openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile="$ca"))
client = openai.OpenAI(base_url="$url", api_key="none", http_client=http)
question = [{"role": "user", "content": "Why is the sky blue?"}]
for chunk in client.chat.completions.create(model="$name", messages=question, stream=True):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
PY

PASTE
exec "$quoth" up --model "$model" --name "$name" --listen 127.0.0.1:8443 --run-dir run "$@"
