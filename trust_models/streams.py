"""The streams of evidence and the trust dimensions that they speak of.

Belongs here: names, and which stream belongs to which dimension.
Must not be here: how trials are found in the event log, or any estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DIMENSIONS = ("product_quality", "service_quality", "reputation", "transparency", "values")
"""The classical trust dimensions, in the order in which they are published."""

QUESTIONED_DIMENSIONS = ("reputation", "transparency", "values")
"""The dimensions whose only trace on an order is a complaint of that kind."""

EXPERIENCE_STREAMS = (
    "order_sound",
    "promise_kept",
    "complaint_answered",
    "complaint_resolved",
    *(f"order_unquestioned_{dimension}" for dimension in QUESTIONED_DIMENSIONS),
)
"""What the company did: the only streams of a score that may be validated against churn."""

LOYALTY_STREAMS = ("came_back", "came_back_after_failure")
"""What the customer did next: a consequence of trust."""

STREAMS = (*EXPERIENCE_STREAMS, *LOYALTY_STREAMS)

DIMENSION_STREAMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "product_quality": ("order_sound",),
        "service_quality": ("promise_kept", "complaint_resolved"),
        "reputation": ("order_unquestioned_reputation",),
        "transparency": ("complaint_answered", "order_unquestioned_transparency"),
        "values": ("order_unquestioned_values",),
    }
)
