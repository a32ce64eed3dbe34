"""An OpenAI-compatible server that behaves as the model's name says, as a process of its own.

    python chat_server.py LOG

Prints its port, then answers POST /v1/chat/completions. Every request that arrives is a line of
LOG before anything is answered, with a digest of what it asked; a 200 is a second line.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STALL = 30  # seconds of a request that gets no whole reply
LOCK = threading.Lock()
SEEN: dict[str, int] = {}
USAGE = {"prompt_tokens": 700, "completion_tokens": 5}


def looks_alike(request: dict) -> bool:
    """What an able model would say: the two pictures' mean colours are near."""
    import numpy as np
    from PIL import Image

    parts = request["messages"][0]["content"]
    urls = [p["image_url"]["url"] for p in parts if p["type"] == "image_url"]
    means = []
    for url in urls:
        data = base64.b64decode(url.split(",", 1)[1])
        means.append(np.asarray(Image.open(io.BytesIO(data)), float).mean((0, 1)))
    return bool(np.abs(means[0] - means[1]).max() < 12)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        digest = hashlib.sha256(body).hexdigest()
        with LOCK:
            SEEN[digest] = SEEN.get(digest, 0) + 1
            count, total = SEEN[digest], sum(SEEN.values())
        note({"asked": digest, "path": self.path, "auth": "Authorization" in self.headers})
        mode = request["model"]
        if mode == "mixed":  # every kind of trouble, most of it answered in the end
            turn = int(digest[:4], 16) % 9
            modes = ["yes", "no", "nonsense", "half", "lies", "not-json"]
            mode = modes[turn] if turn < 6 else ("429" if count < 2 else "yes")
            mode = "500" if turn == 8 and count < 3 else mode
        getattr(self, "be_" + mode.replace("-", "_"), self.be_404)(request, digest, total)

    def be_yes(self, *_: object) -> None:
        self.complete("Yes.")

    def be_no(self, *_: object) -> None:
        self.complete("They differ in the ears.\nANSWER: no")

    def be_slow(self, *_: object) -> None:
        time.sleep(0.03)
        self.complete("ANSWER: yes")

    def be_colours(self, request: dict, *_: object) -> None:
        self.complete("ANSWER: yes" if looks_alike(request) else "ANSWER: no")

    def be_points(self, *_: object) -> None:
        self.complete("Much alike.\nANSWER: 80")

    def be_stall(self, *_: object) -> None:
        time.sleep(STALL)

    def be_drip(self, *_: object) -> None:
        """A byte now and then: no single read ever takes long."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        for _ in range(10 * STALL):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.1)

    def be_429(self, *_: object) -> None:
        self.reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"})

    def be_429_once(self, _: dict, digest: str, __: int) -> None:
        if SEEN[digest] > 1:
            return self.complete("ANSWER: yes")
        return self.reply(429, {"error": "slow down"}, {"Retry-After": "1"})

    def be_429_long(self, *_: object) -> None:
        self.reply(429, {"error": "come back tomorrow"}, {"Retry-After": "86400"})

    def be_500(self, *_: object) -> None:
        self.reply(500, {"error": "out of memory; yes"})

    def be_nonsense(self, *_: object) -> None:
        self.complete("Yes and no: yesterday I would have said yes, today no. ANSWER: yes or no")

    def be_half(self, *_: object) -> None:
        text = json.dumps(self.completion("ANSWER: yes"))
        self.raw(200, text[: len(text) // 2].encode())

    def be_cut(self, *_: object) -> None:
        """A whole answer that the connection loses."""
        text = json.dumps(self.completion("ANSWER: yes")).encode()
        self.raw(200, text[: len(text) // 2], length=len(text))
        self.close_connection = True

    def be_not_json(self, *_: object) -> None:
        self.raw(200, b"<html>yes</html>")

    def be_deep(self, *_: object) -> None:
        self.raw(200, b'{"a":' * 50_000 + b"1" + b"}" * 50_000)

    def be_lies(self, *_: object) -> None:
        self.complete("ANSWER: yes", {"prompt_tokens": -(10**30), "completion_tokens": "none"})

    def be_no_choices(self, *_: object) -> None:
        self.reply(200, {"choices": [], "usage": USAGE})

    def be_dear(self, _: dict, __: str, total: int) -> None:
        self.complete("ANSWER: yes", {"prompt_tokens": 700 if total < 3 else 90_000,
                                      "completion_tokens": 5})  # fmt: skip

    def be_echo(self, *_: object) -> None:
        """Repeats the key, as an answer and in different clothes."""
        auth = self.headers.get("Authorization", "")
        self.complete(f"ANSWER: yes\nI was sent {auth}")

    def be_echo_error(self, *_: object) -> None:
        auth = self.headers.get("Authorization", "")
        self.reply(401, {"error": {"message": f"wrong key: {auth}"}})

    def be_redirect(self, *_: object) -> None:
        port = self.server.server_address[1]
        self.reply(307, {}, {"Location": f"http://127.0.0.1:{port}/elsewhere"})

    def be_404(self, *_: object) -> None:
        self.reply(404, {"error": {"message": "no such model"}})

    def completion(self, text: str, usage: dict | None = None) -> dict:
        message = {"role": "assistant", "content": text}
        return {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage or USAGE}

    def complete(self, text: str, usage: dict | None = None) -> None:
        self.reply(200, self.completion(text, usage))

    def reply(self, status: int, body: dict, headers: dict | None = None) -> None:
        self.raw(status, json.dumps(body).encode(), headers)

    def raw(
        self, status: int, body: bytes, headers: dict | None = None, length: int | None = None
    ) -> None:
        if status == 200:
            note({"answered": True})
        try:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # who asked is gone

    def log_message(self, *_: object) -> None:
        pass


def note(line: dict) -> None:
    with LOCK, open(sys.argv[1], "a") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # whoever asked may be gone
    print(server.server_address[1], flush=True)
    # when the tests are gone, so is the pipe to them, and then so are we
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)
