"""Discord's published description, as the local Discord and the checks of requests read it."""

from sandbox.contracts.contract import FOLDER, Body, Contract

_INTEGERS = (
    ("MessageAllowedMentionsRequest", "users"),
    ("CreatePrivateChannelRequest", "recipient_id"),
    ("MessageReferenceRequest", "message_id"),
    ("MessageReferenceRequest", "channel_id"),
    ("MessageReferenceRequest", "guild_id"),
)


def _loosen(spec: Body) -> None:
    """discord.py sends ids that it fills in itself as integers, which Discord takes.

    So it does the index of an upload, and the docs allow that (reference.mdx#uploading-files). A reference may also be
    a forward (message.mdx#message-reference-types).
    """
    schemas = spec["components"]["schemas"]
    attachment = schemas["MessageAttachmentRequest"]["properties"]
    attachment["id"] = {"anyOf": [attachment["id"], {"type": "integer", "minimum": 0}]}
    schemas["MessageReferenceType"] = {"type": "integer", "enum": [0, 1]}
    for name, field in _INTEGERS:
        place, key = schemas[name]["properties"], field
        if "items" in place[field]:
            place, key = place[field], "items"
        place[key] = {"anyOf": [place[key], {"type": "integer"}]}


CONTRACT = Contract(FOLDER / "discord.json", _loosen)
