"""One Neon project per TenantDatabase, held to its tier, exactly once."""

__version__ = "0.1.0"
