"""The troubleshooting page, docs/troubleshooting.md: what each reason means, and what to do: `make pages`.

The meaning is the doc comment in `api/conditions.py`; what to do stands in `advice.yaml`.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Final

import yaml

from neon_tenants.api import conditions
from neon_tenants.api.conditions import ConditionType, Reason

HEAD: Final = """# Troubleshooting

<!-- Generated from operator/neon_tenants/api/conditions.py by `make pages`. Do not edit. -->

```
kubectl describe tenantdatabase NAME -n NAMESPACE
```

Each condition has a reason, one word, and a message that says what to do with the names of your case. A fresh
resource reads as in progress from its first moment, and `kubectl wait --for=condition=Ready` works.

## Conditions
"""

ADVICE: Final = Path(__file__).with_name("advice.yaml")


def page() -> str:
    """The text of the page."""
    lines = [
        HEAD,
        *(f"- **`{kind.value}`**: {_comments(ConditionType)[kind.name]}" for kind in ConditionType),
    ]
    lines += ["", "## Reasons", ""]
    meanings, advice = _comments(Reason), yaml.safe_load(ADVICE.read_text())
    for reason in Reason:
        lines += [
            f"### {reason.value}",
            "",
            meanings[reason.name],
            "",
            f"**What to do.** {advice[reason.value]}",
            "",
        ]
    return "\n".join(lines)


def _comments(enum: type[ConditionType | Reason]) -> dict[str, str]:
    """The doc comment below each member, by the member's name."""
    tree = ast.parse(inspect.getsource(conditions))
    (found,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == enum.__name__)
    comments = {}
    for member, comment in zip(found.body, found.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(member.targets[0], ast.Name):
            assert isinstance(comment, ast.Expr)
            assert isinstance(comment.value, ast.Constant)
            comments[member.targets[0].id] = str(comment.value.value)
    return comments
