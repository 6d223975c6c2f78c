"""What Discord, OpenAI and Comfy have published about their APIs, as far as the bot uses them, and checks against it.

`discord.json` is an excerpt of Discord's own OpenAPI description (github.com/discord/discord-api-spec, MIT),
`videos.json` one of OpenAI's (github.com/openai/openai-openapi, MIT), `comfy_router.json` and `comfy_api.json` are of
those in Comfy's package comfy-sdk (MIT). `excerpt.py` makes each anew.
"""
