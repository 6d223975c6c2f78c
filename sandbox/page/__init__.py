"""The sandbox in a browser: its people act, faults are injected, and everything that happens is shown."""
