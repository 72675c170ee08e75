"""Devices that exist within this process only. What they read back follows from a model of time, never from constants.

Each takes the clock it lives by, and has methods that do to it what the world would: press, unplug, stall, warm up.
"""
