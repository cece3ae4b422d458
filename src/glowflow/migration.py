"""What older versions wrote, in the form of today."""

from collections.abc import Mapping
from typing import Any


def migrated(model: Mapping[str, Any]) -> dict[str, Any]:
    """Convert fields of a `GlowConfig` that have the form of format 1 to the form of today.

    >>> migrated({"layout": "realnvp", "residual_blocks": 2, "logit": True})
    {'layout': {'kind': 'realnvp', 'logit': True}, 'conditioner': {'kind': 'residual', 'blocks': 2}}
    """
    fields = {name: value for name, value in model.items() if name not in {"residual_blocks", "logit"}}
    if model.get("logit"):
        fields["layout"] = {"kind": model.get("layout", "glow"), "logit": True}
    if model.get("residual_blocks"):
        fields["conditioner"] = {"kind": "residual", "blocks": model["residual_blocks"]}
    return fields
