"""A PETsys TOFPET2 front end with Gigabit Ethernet, byte by byte: what the vendor's own host takes for hardware."""
