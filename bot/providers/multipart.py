"""A form with a picture in it, as `multipart/form-data`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping


def form(fields: Mapping[str, str], file_field: str, filename: str, picture: bytes) -> tuple[bytes, str]:
    """The whole body, the JPEG last, and its content type. Raises UnicodeEncodeError on lone surrogates."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{file_field}"; filename="{filename}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = b"".join([*parts, head.encode(), picture, f"\r\n--{boundary}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={boundary}"
