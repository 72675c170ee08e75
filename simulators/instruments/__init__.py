"""Instruments that are asked and told: supplies, motors, boards of registers, by their real protocols on real wires."""
