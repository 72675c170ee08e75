"""scandaq: open acquisition for nuclear-medicine detectors. Not a medical device."""

__version__ = "0.1.0.dev0"
