"""OpenRouter's own client: a video from a picture, one that fails, one that is refused, the list of models."""

import base64
import os
import time
from pathlib import Path

from openrouter import OpenRouter, errors

MODEL = "alibaba/wan-2.7"
PICTURE = base64.b64encode(Path(os.environ["PICTURE"]).read_bytes()).decode()
FRAME = {
    "type": "image_url",
    "frame_type": "first_frame",
    "image_url": {"url": f"data:image/jpeg;base64,{PICTURE}"},
}


def ended(client, job_id):
    while True:
        job = client.video_generation.get_generation(job_id=job_id)
        if job.status not in ("pending", "in_progress"):
            return job
        time.sleep(0.05)


with OpenRouter(api_key=os.environ["KEY"], server_url=os.environ["URL"]) as client:
    models = client.video_generation.list_videos_models()
    assert MODEL in [model.id for model in models.data]

    job = client.video_generation.generate(
        model=MODEL,
        prompt="Put a hat on the cat",
        duration=5,
        resolution="720p",
        aspect_ratio="9:16",
        frame_images=[FRAME],
    )
    assert job.status == "pending"
    done = ended(client, job.id)
    assert done.status == "completed", done
    assert done.usage.cost > 0
    assert done.urls and done.unsigned_urls and done.expires_at
    answer = client.video_generation.get_video_content(job_id=job.id)
    Path(os.environ["TARGET"]).write_bytes(b"".join(answer.iter_bytes()))

    failing = client.video_generation.generate(
        model=MODEL, prompt="[fail] on purpose", duration=5, frame_images=[FRAME]
    )
    failed = ended(client, failing.id)
    assert (failed.status, bool(failed.error)) == ("failed", True), failed

    for wrong, kind in (("acme/none", errors.NotFoundResponseError), (MODEL, errors.BadRequestResponseError)):
        try:
            client.video_generation.generate(model=wrong, prompt="x", duration=500, frame_images=[FRAME])
        except kind:
            pass
        else:
            raise AssertionError(f"{wrong} was taken")
