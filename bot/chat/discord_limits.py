"""Discord's bounds on choices and their labels."""

MAX_LABEL_LENGTH = 100
"""Of the name of a command's choice, and the label of a select's option."""
MAX_CHOICES = 25
"""Of a command's option, and options of a select."""
