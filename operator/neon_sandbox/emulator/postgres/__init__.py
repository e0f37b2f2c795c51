"""One real PostgreSQL behind the emulator, and the proxy in front of it."""
