"""Pictures of members: refused with a sentence, or made fit for the provider."""
