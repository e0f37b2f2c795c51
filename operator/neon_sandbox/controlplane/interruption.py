"""SIGTERM with the manners of Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""What a supervisor and a closed terminal send."""


@contextlib.contextmanager
def like_ctrl_c() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP end this process as Ctrl-C does, so that `finally` clauses run.

    By default they end Python on the spot. A signal that somebody handles or ignores is left alone,
    and so is everything outside the main thread, where Python allows no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [sign for sign in SIGNALS if signal.getsignal(sign) is signal.SIG_DFL]
    for sign in ours:
        signal.signal(sign, _interrupt)
    try:
        yield
    finally:
        for sign in ours:
            if signal.getsignal(sign) is _interrupt:
                signal.signal(sign, signal.SIG_DFL)


def _interrupt(_sign: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):  # asyncio's, which cancels the main task, or Python's own
        handler(signal.SIGINT, frame)
    else:
        # A shell starts background processes with SIGINT ignored.
        raise KeyboardInterrupt
