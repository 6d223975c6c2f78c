"""Gives a member bonus credits: what a shop's server does after a payment. Python's standard library only.

    python grant_credits.py URL SERVER MEMBER CREDITS KEY [REASON]

SERVER is the id of the server, or `direct` for direct messages and user installs. The secret is read from
CREDITS_SECRET. KEY is the number of the order: sent again with the same key, nothing is given twice, so send it until
it is answered. See docs/credits.md.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request


def grant(url: str, secret: str, **purchase: object) -> dict[str, object]:
    """What the bot answers. Raises OSError where nothing is known: send the same again."""
    body = json.dumps(purchase).encode()
    timestamp = str(int(time.time()))
    signature = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Timestamp": timestamp,
        "X-Signature": f"sha256={signature}",
    }
    request = urllib.request.Request(f"{url}/credits", data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            found: dict[str, object] = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 503:
            raise
        found = json.load(error)
    return found


def main() -> int:
    """Tries for some minutes, as a shop's server should."""
    secret = os.environ.get("CREDITS_SECRET")
    if len(sys.argv) < 6 or not secret:
        print(f"{'' if secret else 'CREDITS_SECRET is missing.'}\n{__doc__}".strip(), file=sys.stderr)
        return 2
    url, server, member, credits_, key, *reason = sys.argv[1:]
    purchase: dict[str, object] = {
        "key": key,
        "server": None if server == "direct" else server,
        "member": member,
        "credits": int(credits_),
        "reason": " ".join(reason) or None,
    }
    for pause_s in (1, 5, 30, 120, None):
        try:
            answer = grant(url, secret, **purchase)
        except OSError as error:
            if pause_s is None:
                print(f"not answered: {error}", file=sys.stderr)
                return 1
            time.sleep(pause_s)
        else:
            print(json.dumps(answer))
            return 1 if "error" in answer else 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
