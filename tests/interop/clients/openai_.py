"""OpenAI's own client: a video from a picture, one that fails, one that is refused."""

import os
from pathlib import Path

import openai

PICTURE = Path(os.environ["PICTURE"])

client = openai.OpenAI(api_key=os.environ["KEY"], base_url=os.environ["URL"], max_retries=0)


def make(prompt):
    return client.videos.create_and_poll(
        model="sora-2", prompt=prompt, seconds="4", size="720x1280", input_reference=PICTURE, poll_interval_ms=50
    )


done = make("Put a hat on the cat")
assert (done.status, done.progress) == ("completed", 100), done
client.videos.download_content(done.id).write_to_file(os.environ["TARGET"])

failed = make("[fail] on purpose")
assert failed.status == "failed" and failed.error, failed

try:
    make("[moderated] on purpose")
except openai.BadRequestError:
    pass
else:
    raise AssertionError("moderation let it through")
