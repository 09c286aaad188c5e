"""Progress on stderr: a bar on a terminal, a line per stage elsewhere."""

from __future__ import annotations

import sys
import time

import click

from tdh.language import Text


class Progress:
    """Receives the pipeline's reports."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.start = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def __call__(self, what: Text, done: int, of: int) -> None:
        """Show that ``done`` of ``of`` stages are done and that ``what`` is next."""
        if self.quiet:
            return
        seconds = time.monotonic() - self.start
        if self.terminal:
            filled = round(24 * done / max(of, 1))
            bar = "█" * filled + "·" * (24 - filled)
            click.echo(
                f"\r\x1b[2K{bar} {done}/{of} {seconds:5.1f} s  {what}", err=True, nl=done == of
            )
        elif done < of:
            click.echo(f"[{done + 1:2}/{of}] {seconds:6.1f} s  {what}", err=True)
        else:
            click.echo(f"{what} ({seconds:.1f} s)", err=True)
