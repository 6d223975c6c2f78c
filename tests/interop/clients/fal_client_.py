"""fal's own client: a video from a picture, one that fails, one that is cancelled."""

import os
import urllib.request
from pathlib import Path

import fal_client
import fal_client.client

ENDPOINT = "fal-ai/wan/v2.7/image-to-video"
PICTURE = Path(os.environ["PICTURE"])

fal_client.client.QUEUE_URL_FORMAT = f"{os.environ['URL']}/"
client = fal_client.SyncClient(key=os.environ["KEY"])


def arguments(prompt: str) -> dict[str, str]:
    return {"prompt": prompt, "image_url": fal_client.encode_file(PICTURE), "duration": "5", "resolution": "720p"}


seen: list[str] = []
handle = client.submit(ENDPOINT, arguments("Put a hat on the cat"))
for status in handle.iter_events(interval=0.05):
    seen.append(type(status).__name__)
result = handle.get()
with urllib.request.urlopen(result["video"]["url"]) as answer:
    Path(os.environ["TARGET"]).write_bytes(answer.read())
assert seen[-1] == "Completed", seen
assert "Queued" in seen or "InProgress" in seen, seen

again = client.get_handle(ENDPOINT, handle.request_id)  # addressed by owner and alias alone
assert isinstance(again.status(), fal_client.Completed)

failed = client.submit(ENDPOINT, arguments("[fail] on purpose"))
try:
    failed.get(interval=0.05)
except fal_client.FalClientHTTPError as error:
    assert error.status_code == 422, error
else:
    raise AssertionError("a failed request has a result")
last = failed.status()
assert isinstance(last, fal_client.Completed) and last.error, last

waiting = client.submit(ENDPOINT, arguments("[slow] and cancelled"))
waiting.cancel()
ended = waiting.status()
assert isinstance(ended, fal_client.Completed) and ended.error, ended
