"""Long work: one piece at a time, in a process of its own, kept in the library's folder.

A job outlives the page that asked for it; a server that starts again says what was cut short. The
process stays between jobs, so what it loaded is loaded once; cancelling ends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError, one_line
from lorarium.formats.target import write_atomically
from lorarium.studio.sending import as_json

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
CANCELLED, CUT_SHORT = "cancelled", "cut short"
OVER = (DONE, FAILED, CANCELLED, CUT_SHORT)
MOST_WAITING, MOST_KEPT, MOST_LISTENERS = 50, 200, 30
WORKER = ("-m", "lorarium.studio.worker")
LINE = 64 << 20
Job = dict[str, Any]


class Jobs:
    def __init__(self, folder: Path, on_done: Callable[[Job], None]) -> None:
        self.folder, self.on_done = folder, on_done
        self.jobs: dict[str, Job] = {}
        self._queue: deque[str] = deque()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self._process: asyncio.subprocess.Process | None = None
        self._runner: asyncio.Task[None] | None = None
        self._load()

    def _load(self) -> None:
        paths = sorted(self.folder.glob("*.json"))
        for path in paths[:-MOST_KEPT]:
            path.unlink(missing_ok=True)
        for path in paths[-MOST_KEPT:]:
            try:
                job = json.loads(path.read_bytes())
                state, _ = job["state"], (job["id"], job["kind"], job["title"])
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue
            if state not in OVER:
                job |= {"state": CUT_SHORT, "error": "the studio was closed before it was done"}
            self.jobs[job["id"]] = job
            if state not in OVER:
                self._keep(job)

    def start(self) -> None:
        self._runner = self._loop.create_task(self._run())

    async def stop(self) -> None:
        if self._runner is not None:
            self._runner.cancel()
            with suppress(asyncio.CancelledError):
                await self._runner
        await self._end_process()

    def add(self, kind: str, title: str, args: dict[str, Any]) -> Job:
        if len(self._queue) >= MOST_WAITING:
            raise LorariumError("too much is waiting already", hint="cancel something")
        same = next((j for j in self._pending() if j["kind"] == kind and j["args"] == args), None)
        if same is not None:
            return public(same)
        now = time.time()
        name = f"{int(now * 1000):013d}-{secrets.token_hex(3)}"
        job: Job = {"id": name, "kind": kind, "title": one_line(title, 200), "args": args}
        job |= {"state": WAITING, "made": now, "began": None, "ended": None, "done": 0}
        job |= {"total": 0, "words": "", "error": "", "result": None}
        self.jobs[name] = job
        self._queue.append(name)
        self._keep(job)
        self._loop.call_soon_threadsafe(self._wake.set)  # requests are answered in threads
        return public(job)

    def _pending(self) -> list[Job]:
        """What is not over, the one that runs among them."""
        return [job for job in self.jobs.values() if job["state"] not in OVER]

    def get(self, name: str) -> Job:
        if name not in self.jobs:
            raise LorariumError("there is no such job")
        return self.jobs[name]

    def listed(self) -> list[Job]:
        return [public(job) for job in list(self.jobs.values())[-50:]][::-1]

    async def cancel(self, name: str) -> Job:
        job = self.get(name)
        if job["state"] == WAITING:
            self._queue.remove(name)
            self._over(job, CANCELLED)
        elif job["state"] == RUNNING:
            self._over(job, CANCELLED)
            await self._end_process()
        return public(job)

    async def events(self) -> AsyncIterator[bytes]:
        """Server-sent events: every change of a job."""
        if len(self._listeners) >= MOST_LISTENERS:
            return
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(1000)
        self._listeners.add(queue)
        try:
            yield b"retry: 1500\n\n"
            for job in self.listed()[:20]:
                yield event(job)
            while True:
                try:
                    message = await asyncio.wait_for(queue.get(), 15)
                except TimeoutError:
                    message = b": still here\n\n"
                if message is None:
                    return
                yield message
        finally:
            self._listeners.discard(queue)

    def hang_up(self) -> None:
        """End all streams of events, which would else hold the server up when it ends."""
        for queue in self._listeners:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)

    def _tell(self, job: Job) -> None:
        self._loop.call_soon_threadsafe(self._broadcast, event(public(job)))

    def _broadcast(self, message: bytes) -> None:
        for queue in self._listeners:
            with suppress(asyncio.QueueFull):  # it hears the next one
                queue.put_nowait(message)

    def _keep(self, job: Job) -> None:
        write_atomically(self.folder / f"{job['id']}.json", [as_json(job)], force=True)
        self._tell(job)

    def _over(self, job: Job, state: str, **facts: Any) -> None:
        job |= {"state": state, "ended": time.time(), **facts}
        self._keep(job)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            if not self._queue:
                self._wake.clear()
                continue
            job = self.jobs[self._queue.popleft()]
            job |= {"state": RUNNING, "began": time.time()}
            self._keep(job)
            try:
                await self._work(job)
            except Exception as error:  # one job must not end all others
                if job["state"] == RUNNING:
                    self._over(job, FAILED, error=one_line(f"{type(error).__name__}: {error}", 300))
                await self._end_process()
            self.on_done(job)

    async def _work(self, job: Job) -> None:
        process = await self._worker()
        assert process.stdin is not None and process.stdout is not None
        order = {"id": job["id"], "kind": job["kind"], "args": job["args"]}
        process.stdin.write(as_json(order) + b"\n")
        await process.stdin.drain()
        while job["state"] == RUNNING:
            line = await process.stdout.readline()
            if job["state"] != RUNNING:
                return
            if not line:
                await self._end_process()
                return self._over(job, FAILED, error="its process ended: is memory short?")
            message = json.loads(line)
            if message.get("id") != job["id"]:
                continue
            if "error" in message:
                return self._over(job, FAILED, error=message["error"])
            if "result" in message:
                return self._over(job, DONE, result=message["result"], done=1, total=1)
            job |= {name: message[name] for name in ("done", "total", "words")}
            self._tell(job)

    async def _worker(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *WORKER,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE,
                start_new_session=True,
            )
        return self._process

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        for end in (_terminate, _kill):
            end(process)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 3)
                return


def _terminate(process: asyncio.subprocess.Process) -> None:
    _signal(process, 15)


def _kill(process: asyncio.subprocess.Process) -> None:
    _signal(process, 9)


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    """To the process and to those that it started, which are of its session."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.kill()


def public(job: Job) -> Job:
    """A job without its paths."""
    return {name: value for name, value in job.items() if name != "args"}


def event(job: Job) -> bytes:
    return b"event: job\ndata: " + as_json(job) + b"\n\n"
