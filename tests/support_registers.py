"""A board of registers and its client with a network between that loses, doubles, delays and reorders, in own time."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

from daq.errors import DeadlineError
from daq.wire.control.codec import Codec
from daq.wire.control.courier import Courier
from daq.wire.control.ipbuscodec import IpbusCodec
from daq.wire.control.ipbuscourier import IpbusCourier
from daq.wire.control.rbcp import RbcpCodec
from daq.wire.control.rbcpcourier import RbcpCourier
from simulators.instruments.ipbusboard import IpbusBoard
from simulators.instruments.rbcpboard import RbcpBoard
from simulators.instruments.registers import Registers as Simulated

LATE_S = 0.02


class Network:
    """Datagrams to a board and back. `chance`: how often each of the four things happens to a datagram.

    `latest_s`: nothing arrives later than that after it was sent, as is promised to a courier.
    """

    def __init__(self, board: IpbusBoard | RbcpBoard, chances: random.Random, chance: float, latest_s: float) -> None:
        self.now_s = 0.0
        self.heard: list[bytes] = []
        self.doubles_requests = True
        self.goes_on: Callable[[], None] = lambda: None
        """What happens to the board by itself, each time that it hears something."""
        self._board, self._chances, self._chance, self._latest_s = board, chances, chance, latest_s
        self._numbers = itertools.count()
        self._coming: list[tuple[float, int, bool, bytes]] = []

    def send(self, datagram: bytes) -> None:
        self._put(to_board=True, data=datagram)

    def until(self, at_s: float, take: Callable[[bytes, float], None]) -> None:
        """Let time pass until something comes back, which is handed over, or until a time."""
        while self._coming and self._coming[0][0] <= at_s:
            self.now_s, _, to_board, data = heapq.heappop(self._coming)
            if not to_board:
                take(data, self.now_s)
                return
            self.heard.append(data)
            self.goes_on()
            answer = self._board.answer(data)
            if answer is not None:
                self._put(to_board=False, data=answer)
        self.now_s = max(self.now_s, at_s)

    def _put(self, *, to_board: bool, data: bytes) -> None:
        if self._happens():
            return
        doubles = self._happens() and (self.doubles_requests or not to_board)
        for _ in range(2 if doubles else 1):
            delay_s = self._chances.uniform(0, self._latest_s / 2) if self._happens() else self._latest_s / 20
            heapq.heappush(self._coming, (self.now_s + delay_s, next(self._numbers), to_board, data))

    def _happens(self) -> bool:
        return self._chances.random() < self._chance


class Client:
    """A codec and a courier over a network: one request after the other, as a conversation has it."""

    def __init__(self, codec: Codec, courier: Courier, network: Network, reply_s: float) -> None:
        self.courier, self.network = courier, network
        self._codec, self._reply_s = codec, reply_s
        courier.opened()

    def ask(self, request: str) -> str | None:
        """Return the answer; None where none came in time."""
        network, courier = self.network, self.courier
        courier.submit(self._codec.begin(request))
        until_s = network.now_s + self._reply_s
        while network.now_s < until_s:
            for datagram in courier.outgoing(network.now_s):
                network.send(datagram)
            if found := courier.replies():
                replies = self._codec.feed(found)
                if replies:
                    (text,) = replies
                    return text
            wake_s = courier.wake_s
            network.until(until_s if wake_s is None else min(until_s, wake_s), courier.incoming)
        courier.abandon()
        return None


def simulated(board: Callable[[Simulated], Any]) -> tuple[Any, Simulated]:
    """Return a board whose clock stands, and its registers."""
    registers = Simulated(4711, clock=lambda: 0.0)
    return board(registers), registers


def ipbus(seed: int, chance: float) -> tuple[Client, IpbusBoard]:
    board, _ = simulated(IpbusBoard)
    network = Network(board, random.Random(seed), chance, LATE_S)
    return Client(IpbusCodec(datagrams=True), IpbusCourier(LATE_S), network, 5.0), board


def rbcp(seed: int, chance: float, window: int = 1) -> tuple[Client, RbcpBoard]:
    board, _ = simulated(RbcpBoard)
    network = Network(board, random.Random(seed), chance, LATE_S)
    return Client(RbcpCodec(), RbcpCourier(LATE_S, LATE_S, window), network, 1.0), board


def fresh_readings(seed: int, protocol: str, chance: float, count: int) -> int:
    """Read a word that changes by itself again and again; return how many readings there were, all of them fresh."""
    client, board = (ipbus if protocol == "ipbus" else rbcp)(seed, chance)
    words = board.registers.words
    words["scratch"] = 0

    def goes_on() -> None:
        words["scratch"] += 1

    client.network.goes_on = goes_on
    good = 0
    for _ in range(count):
        before = words["scratch"]
        try:
            said = client.ask("read 1" if protocol == "ipbus" else "read 10 4")
        except DeadlineError:
            continue
        if said is not None:
            assert before < int(said, 16) <= words["scratch"], (seed, protocol, chance, client.network.heard)
            good += 1
    return good
