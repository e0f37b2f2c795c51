"""Ids, names and passwords in Neon's manner, from one source of randomness."""

from __future__ import annotations

import random
import string
import uuid
from collections import deque

KEPT = 10_000
"""Passwords that are remembered, for who looks whether one leaked."""

_ADJECTIVES = (
    "aged", "bitter", "bold", "calm", "cold", "cool", "damp", "dark", "dry", "fancy", "floral", "frosty",
    "gentle", "icy", "jolly", "late", "lively", "long", "lucky", "misty", "muddy", "noisy", "odd", "old",
    "orange", "patient", "plain", "polished", "proud", "quiet", "rapid", "round", "shiny", "shrill", "silent",
    "small", "snowy", "soft", "solitary", "square", "steep", "summer", "super", "sweet", "tight", "tiny",
    "wandering", "weathered", "wild", "winter", "wispy", "yellow", "young",
)  # fmt: skip
_NOUNS = (
    "band", "bar", "base", "bird", "block", "boat", "bonus", "bread", "breeze", "brook", "bush", "butterfly",
    "cake", "cell", "cherry", "cloud", "credit", "darkness", "dawn", "dew", "disk", "dream", "dust",
    "feather", "field", "fire", "firefly", "flower", "fog", "forest", "frog", "frost", "glade", "glitter",
    "grass", "hall", "hat", "haze", "heart", "hill", "king", "lab", "lake", "leaf", "limit", "math",
    "meadow", "mode", "moon", "morning", "mountain", "mouse", "mud", "night", "paper", "pine", "poetry",
    "pond", "queen", "rain", "recipe", "resonance", "rice", "river", "salad", "scene", "sea", "shadow",
    "shape", "silence", "sky", "smoke", "snow", "snowflake", "sound", "star", "sun", "sunset", "surf",
    "term", "thunder", "tooth", "tree", "truth", "union", "unit", "violet", "voice", "water", "waterfall",
    "wave", "wildflower", "wind", "wood",
)  # fmt: skip
_ALPHANUMERIC = string.ascii_letters + string.digits


class Names:
    """Makes ids and passwords; the same seed makes the same ones."""

    def __init__(self, seed: int | None = None) -> None:
        self._dice: random.Random = random.SystemRandom() if seed is None else random.Random(seed)
        self.passwords: deque[str] = deque(maxlen=KEPT)
        """The last ones that it made."""

    def project_id(self) -> str:
        """For example shiny-wind-02883412."""
        return f"{self._pair()}-{self._dice.randrange(10**8):08d}"

    def branch_id(self) -> str:
        """For example br-aged-salad-63768812."""
        return f"br-{self._pair()}-{self._dice.randrange(10**8):08d}"

    def endpoint_id(self) -> str:
        """For example ep-little-smoke-85142612."""
        return f"ep-{self._pair()}-{self._dice.randrange(10**8):08d}"

    def password(self) -> str:
        """npg_ and twelve letters and digits."""
        self.passwords.append("npg_" + "".join(self._dice.choices(_ALPHANUMERIC, k=12)))
        return self.passwords[-1]

    def tag(self) -> str:
        """Eight letters that keep one emulator's databases apart from another's."""
        return "".join(self._dice.choices(string.ascii_lowercase, k=8))

    def uuid(self) -> str:
        """A random UUID."""
        return str(uuid.UUID(int=self._dice.getrandbits(128), version=4))

    def number(self) -> int:
        """The id of a database: Neon counts these in one sequence for all."""
        return self._dice.randrange(100_000, 10**9)

    def _pair(self) -> str:
        return f"{self._dice.choice(_ADJECTIVES)}-{self._dice.choice(_NOUNS)}"
