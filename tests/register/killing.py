"""Run by the test: kills writers at random moments, and says what the register then held.

One process that imports tdh once and forks its writers, so that hundreds of kills take seconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time

from tdh.register import Event, Register


def write_until_killed(path: str, told: int, turn: int) -> None:
    """Record single events and batches without end; tell the number of each that was committed."""
    with Register(path) as register:
        n = 0
        while True:
            n += 1
            asset = f"{turn}-{n}"
            if n % 3:
                numbers = [register.record("offer", "desk", round="R", asset=asset, carrier="a")]
            else:
                numbers = register.record_many(
                    Event("offer", "desk", round="R", asset=f"{asset}-{i}", carrier="a")
                    for i in range(20)
                )
            os.write(told, f"{numbers[-1]}\n".encode())


def main(path: str, kills: int) -> None:
    rng = random.Random(0)
    lost = torn = broken = 0
    for turn in range(kills):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            write_until_killed(path, write, turn)
        os.close(write)
        # One in four at any moment, as it opens the register too; the others once some events have
        # been told, however slow the machine is: the next are then being written.
        heard = b""
        told_before = rng.randint(1, 4) if turn % 4 else 0
        while heard.count(b"\n") < told_before and (chunk := os.read(read, 65536)):
            heard += chunk
        time.sleep(rng.uniform(0.0, 0.02 if told_before else 0.07))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "a writer ended by itself"
        while chunk := os.read(read, 65536):
            heard += chunk
        os.close(read)
        numbers = [
            int(line) for line in heard.decode().splitlines(keepends=True) if line[-1] == "\n"
        ]
        with Register(path) as register:
            frame = register.events()
            held = set(frame["id"])
            lost += len(set(numbers) - held)
            batches = frame["asset"].str.extract(r"^(\d+-\d+)-\d+$")[0].value_counts()
            torn += int((batches != 20).sum())
            if turn % 20 == 0 or turn == kills - 1:
                broken += len(register.verify())
            total = len(frame)
    print(json.dumps({"lost": lost, "torn": torn, "broken": broken, "events": total}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
