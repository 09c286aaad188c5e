"""Run by the test, several times at once: writers that all want the same cases."""

from __future__ import annotations

import json
import sys

from tdh.register import LedgerError, Register


def main(path: str, name: str, cases: int) -> None:
    won = []
    with Register(path) as register:
        for i in range(cases):
            own = register.record("offer", name, round="R", asset=f"{name}-{i}", carrier="x")
            try:
                register.record("offer", name, round="R", asset=f"common-{i}", carrier="x")
            except LedgerError:
                continue
            won.append(f"common-{i}")
            assert own
    print(json.dumps(won))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
