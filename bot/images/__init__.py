"""Pictures of members: refused with a sentence, or made fit for the video API."""

from bot.images.claim import check_claim, check_claimed_enlargement, is_measured_whole
from bot.images.fitter import Fitted, Fitter

__all__ = ["Fitted", "Fitter", "check_claim", "check_claimed_enlargement", "is_measured_whole"]
