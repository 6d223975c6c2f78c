"""Pictures of members: refused with a sentence, or made fit for the provider."""

from bot.images.fitter import Fitted, Fitter
from bot.images.precheck import check_claim, check_claimed_enlargement, is_measured_whole

__all__ = ["Fitted", "Fitter", "check_claim", "check_claimed_enlargement", "is_measured_whole"]
