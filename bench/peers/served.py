"""A program that answers lines: one request a line on its stdin, one JSON object a line on its stdout (`heddle bench --serve`, peer.py)."""

import json
import os
import selectors
import subprocess
import time


class Late(Exception):
    """No answer within the limit; the program was ended."""


class Ended(Exception):
    """The program ended instead of answering."""


class Served:
    def __init__(self, command, log, environment=None):
        """`log`: file that the program's stderr is appended to."""
        self.log = log
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                            env=environment, start_new_session=True)
        self.rest = b""

    def ask(self, line, limit):
        """The answer to a line, within `limit` seconds."""
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Ended(self.last_words()) from None
        return self.answer(limit)

    def answer(self, limit):
        deadline = time.monotonic() + limit
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.rest:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self.end()
                    raise Late
                chunk = os.read(self.process.stdout.fileno(), 1 << 16)
                if not chunk:
                    self.process.wait()
                    raise Ended(self.last_words())
                self.rest += chunk
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def last_words(self):
        """What the program said last on stderr, else its exit status."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            lines = [line.strip() for line in log if line.strip()]
        return lines[-1] if lines else f"exit status {self.process.poll()}"

    def end(self):
        """With all processes that it started: compilers run in such."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
