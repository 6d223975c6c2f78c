"""A local /v1/videos that renders a real MP4 from the picture; none of the bot's code is in it."""

from sandbox.videos.faults import FAULTS
from sandbox.videos.provider_jobs import CUT, Answer, Exchange, Phase, Trouble, VideoJob
from sandbox.videos.render import render_clip, tiny_mp4
from sandbox.videos.server import LocalVideos
from sandbox.videos.shapes import SHAPES
from sandbox.videos.weather import Weather
from sandbox.videos.words import PROMPT_WORDS

__all__ = [
    "CUT", "FAULTS", "PROMPT_WORDS", "SHAPES", "Answer", "Exchange", "LocalVideos", "Phase", "Trouble", "VideoJob",
    "Weather", "render_clip", "tiny_mp4",
]  # fmt: skip
