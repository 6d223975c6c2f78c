"""Pictures of members: refused with a sentence, or made fit for the video API."""

from bot.images.claim import check_claim
from bot.images.fitting import Fitter, fit, upright_size

__all__ = ["Fitter", "check_claim", "fit", "upright_size"]
