"""A video over a place's upload limit, encoded again to fit: its size, frames, length and sound stay, bits go."""

from bot.shrink.shrinker import Shrinker

__all__ = ["Shrinker"]
