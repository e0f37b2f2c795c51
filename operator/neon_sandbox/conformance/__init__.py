"""Does the emulator behave as Neon does? Neon's document is silent on locks, merging, lag and more.

`python -m neon_sandbox.conformance` asks a real account (NEON_API_KEY_FILE), or without a key the
emulator, and prints each difference from what the emulator does by default.
"""
