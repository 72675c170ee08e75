"""A CAEN A5202 of the FERS-5200 family as its host sees it: registers, ASICs, bias supply, events."""
