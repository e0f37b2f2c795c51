"""The Secret that is written is logged: in base64, which no redaction by form can know."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from broken import breaks
from neon_tenants.core.observed import Tenant
from neon_tenants.core.secret import SecretContent
from neon_tenants.kube import secrets

Body = Callable[[Tenant, SecretContent], dict[str, Any]]


def _broken(original: Body) -> Body:
    def body(tenant: Tenant, content: SecretContent) -> dict[str, Any]:
        made = original(tenant, content)
        logging.getLogger("neon_tenants.kube.secrets").info("Writing.", extra={"body": made})
        return made

    return body


breaks(secrets, "_body", _broken)
