"""The demo: what the operator does, shown on real parts in under a minute.

`acts` is the story, `stage` what it is played with, `screen` how it looks. Every claim that the story
makes is checked; the first that does not hold ends it with a `DemoFailedError`.
"""

from neon_sandbox.demo.acts import run
from neon_sandbox.demo.stage import DemoFailedError

__all__ = ["DemoFailedError", "run"]
