"""Comfy's own client of the API v2: a video from a workflow, a failed and a cancelled job, a key that is taken."""

import os
import uuid

os.environ["COMFY_BASE_URL"] = os.environ["URL"]

from comfy_sdk import Comfy
from comfy_sdk.exceptions import ComfyError


def workflow(client, prompt):
    return client.workflows.from_json(
        {
            "picture": {"class_type": "LoadImage", "inputs": {"image": client.assets.from_file(os.environ["PICTURE"])}},
            "wanted": {"class_type": "CLIPTextEncode", "inputs": {"text": prompt}},
            "frames": {"class_type": "LTXVImgToVideo", "inputs": {"width": 64, "height": 96, "length": 25}},
            "sampler": {"class_type": "KSampler", "inputs": {"steps": 20}},
            "saved": {"class_type": "SaveVideo", "inputs": {"filename_prefix": "video/x"}},
        }
    )


with Comfy(api_key=os.environ["KEY"]) as client:
    key = str(uuid.uuid4())
    job = client.submit(workflow(client, "Put a hat on the cat"), idempotency_key=key)
    try:
        client.submit(workflow(client, "Put a hat on the cat"), idempotency_key=key)
    except ComfyError as error:
        assert error.code == "idempotency_key_reuse", error
    else:
        raise AssertionError("the same key was taken twice")
    assert job.wait(timeout=30).status == "succeeded", job
    (output,) = job.outputs
    output.to_file(os.environ["TARGET"])
    assert job.get_workflow().format == "api"
    assert [summary.id for summary in client.list_jobs()][:1] == [job.id]

    failed = client.submit(workflow(client, "[fail] on purpose")).wait(timeout=30)
    assert failed.status == "failed", failed

    waiting = client.submit(workflow(client, "[slow] and cancelled"))
    assert waiting.cancel().status == "canceled", waiting

    try:
        client.submit(client.workflows.from_json({"1": {"class_type": "NotInstalled", "inputs": {}}}))
    except ComfyError as error:
        assert error.code == "invalid_workflow", error
    else:
        raise AssertionError("a workflow with an unknown node was taken")
