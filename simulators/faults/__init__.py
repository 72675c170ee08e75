"""Faults on purpose: what a front end and a network can do wrong, and the exact truth about it.

`spec` parses them; `frontend` and `network` turn planned packets into what really goes out (`injector`); `recorder` and
`expected` say what a perfect receiver must find; `rehearsal` does a whole run without sockets.
"""

from simulators.faults.rehearsal import Rehearsal, Transmission, transmissions
from simulators.faults.spec import FAULT_KINDS, FaultSpec, parse_fault

__all__ = ["FAULT_KINDS", "FaultSpec", "Rehearsal", "Transmission", "parse_fault", "transmissions"]
