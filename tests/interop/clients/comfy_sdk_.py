"""Comfy's own client of the Router: a video from a picture, the same key twice, a failed and a cancelled request."""

import base64
import os
import urllib.request
import uuid
from pathlib import Path

os.environ["COMFY_ROUTER_BASE_URL"] = os.environ["URL"]

from comfy_sdk import Comfy
from comfy_sdk.router_exceptions import RouterError

MODEL = "byteplus/dreamina-seedance-2-0-mini"
PICTURE = base64.b64encode(Path(os.environ["PICTURE"]).read_bytes()).decode()


def arguments(prompt):
    frame = {"type": "image_url", "role": "first_frame", "image_url": {"url": f"data:image/jpeg;base64,{PICTURE}"}}
    return {
        "content": [{"type": "text", "text": prompt}, frame],
        "duration": 5,
        "ratio": "adaptive",
        "resolution": "480p",
    }


def refused(handle):
    try:
        handle.get(timeout=30)
    except RouterError as error:
        return error
    raise AssertionError("a result where there is none")


with Comfy(api_key=os.environ["KEY"]) as client:
    assert MODEL in [entry.id for entry in client.models.list()]

    key = str(uuid.uuid4())
    handle = client.models.submit(MODEL, arguments("Put a hat on the cat"), idempotency_key=key)
    again = client.models.submit(MODEL, arguments("Put a hat on the cat"), idempotency_key=key)
    assert again.request_id == handle.request_id
    seen = [update.status for update in handle.iter_events(timeout=60)]
    assert seen[-1] == "COMPLETED", seen
    result = handle.get(timeout=30)
    with urllib.request.urlopen(result["content"]["video_url"]) as answer:
        Path(os.environ["TARGET"]).write_bytes(answer.read())

    failed = client.models.submit(MODEL, arguments("[fail] on purpose"))
    assert refused(failed).error_type == "provider_error"
    moderated = client.models.submit(MODEL, arguments("[moderated-late] on purpose"))
    assert refused(moderated).error_type == "content_policy_violation"

    waiting = client.models.submit(MODEL, arguments("[slow] and cancelled"))
    waiting.cancel()
    assert refused(waiting).error_type == "cancelled"
