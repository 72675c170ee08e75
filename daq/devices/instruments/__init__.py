"""Instruments that a control profile is enough to drive: a conversation, its values and actions, what they are for."""
