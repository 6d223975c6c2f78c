"""The version of the bot. pyproject.toml and the Dockerfile have it for their readers; a test holds them together."""

VERSION = "0.2.0"
