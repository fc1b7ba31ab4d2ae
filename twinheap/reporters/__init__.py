"""Reporters: listeners of the events that engines emit. Nothing below the front door imports them."""
