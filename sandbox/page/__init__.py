"""The sandbox in a browser: its people act, its weather changes, and everybody sees what happens."""
