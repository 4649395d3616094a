"""Forms as pages send them, read within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from dlpagent.service.http.gate import body_of, media_type
from dlpagent.service.http.problems import Refusal
from dlpagent.service.http.routes import Call
from dlpagent.service.http.uploads import limited

MAX_FIELDS = 100


async def fields(call: Call) -> Mapping[str, str]:
    """The fields of a form without files; of a name that comes twice, the last. Raises Refusal."""
    limits = call.service.settings.limits
    if media_type(call.request) != "application/x-www-form-urlencoded":
        raise Refusal(
            415, "media-type", "this is not a form", where="Content-Type",
            expected="application/x-www-form-urlencoded",
        )  # fmt: skip
    body = await body_of(call.request, limits.body_bytes, limits.body_seconds)
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS,
            errors="replace",
        )  # fmt: skip
    except ValueError:
        raise Refusal(
            400, "malformed", "the form cannot be read", where="body", expected="pairs of a form"
        ) from None
    # browsers send the ends of lines as CR LF
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


async def upload(call: Call, name: str) -> tuple[str, bytes, Mapping[str, str]]:
    """File name and bytes of one uploaded file, and the other fields. Raises Refusal."""
    limits = call.service.settings.limits
    request = limited(call.request, limits.file_bytes, limits.body_seconds)
    try:
        async with request.form(max_files=1, max_fields=20, max_part_size=64 * 1024) as form:
            file = form.get(name)
            rest = {key: value for key, value in form.items() if isinstance(value, str)}
            if not isinstance(file, UploadFile) or not file.filename:
                raise Refusal(400, "invalid", "no file was chosen", where=name, expected="a file")
            return file.filename, await file.read(), rest
    except HTTPException:
        raise Refusal(
            400, "malformed", "the form cannot be read", where="body",
            expected="multipart/form-data with one file",
        ) from None  # fmt: skip


def seen(path: str, **query: str) -> RedirectResponse:
    """After a change, the page that shows it (so that reloading changes nothing again)."""
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if value)
    return RedirectResponse(f"{path}?{pairs}" if pairs else path, 303)
