"""What Discord and OpenAI have published about their APIs, as far as the bot uses them, and checks against it.

`discord.json` is an excerpt of Discord's own OpenAPI description (github.com/discord/discord-api-spec, MIT),
`videos.json` one of OpenAI's (github.com/openai/openai-openapi, MIT). `excerpt.py` makes both anew.
"""
