"""A video over an upload limit, or of a kind that does not play everywhere, encoded again: frames and sound stay."""
