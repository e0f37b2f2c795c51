"""Any life of two tenants: what users, administrators and people in Neon's console do, and what must hold."""
