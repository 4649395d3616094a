"""The headers every response carries."""

from __future__ import annotations

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS = (
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),  # no-referrer: forms would come from the origin "null"
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("cache-control", "no-store"),
)
_HSTS = ("strict-transport-security", "max-age=31536000")


def security_headers(*, tls: bool) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI has them. tls: also tells browsers never to come without."""
    rows = [*_ALWAYS, ("content-security-policy", CONTENT_SECURITY_POLICY)]
    if tls:
        rows.append(_HSTS)
    return [(name.encode(), value.encode()) for name, value in rows]
