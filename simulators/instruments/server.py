"""Serve a machine on a pseudo-terminal and on TCP until told to stop; do to it what the side socket asks for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tty
from collections.abc import Callable, Mapping
from typing import Any

from daq.errors import ScandaqError, UsageError
from simulators.faults.control import FaultControl
from simulators.instruments.machine import Machine, Talk
from simulators.instruments.serialserver import LineSetting, SerialServer
from simulators.instruments.wirefaults import KINDS, Piece, WireFaults

_BITS_PER_BYTE = 10
_ANSWER_S = 2.0
_MOST_WAITING = 1024
_OFTEN_S = 0.02
_POSSIBLE = 'possible are {"wire": {"kind": "late", "seconds": 1}}, {"do": NAME, ...}, {"told": true}, {"clear": true}'


class Wire:
    """One client: what it says, and what leaves in order, each piece when it is due."""

    def __init__(self, server: MachineServer, talk: Talk, baud: int | None) -> None:
        self._server, self._talk, self._baud = server, talk, baud
        self._due: asyncio.Queue[Piece] = asyncio.Queue(_MOST_WAITING)

    def heard(self, data: bytes) -> None:
        """Take what the client said."""
        if self._server.deaf:
            return
        for reply in self._talk.feed(data):
            for piece in self._server.faults.apply(reply):
                if not self._due.full():
                    self._due.put_nowait(piece)

    async def send(self, write: Any, hang_up: Any) -> None:
        """Write what is due, for ever."""
        while True:
            piece = await self._due.get()
            if piece.delay_s:
                await asyncio.sleep(piece.delay_s)
            if piece.data is None:
                hang_up()
                continue
            if self._baud is not None:
                await asyncio.sleep(len(piece.data) * _BITS_PER_BYTE / self._baud)
            write(piece.data)


class MachineServer:
    """The wires of one machine. `baud`: how fast a byte travels on the terminal, which has no speed of its own.

    `often`: called fifty times a second, for what happens to the machine though nobody asks it.
    """

    def __init__(
        self, kind: str, machine: Machine, *, host: str, port: int | None, baud: int | None, seed: int,
        often: Callable[[], None] | None = None, line: LineSetting | None = None,
    ) -> None:  # fmt: skip
        self.faults = WireFaults(seed)
        self.deaf = False
        self._kind, self._machine, self._host, self._port, self._baud = kind, machine, host, port, baud
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._often = often
        self._line = line

    def serve(self) -> int:
        """Print the ready line and serve until SIGTERM or SIGINT; return 0."""
        return asyncio.run(self._serve())

    async def _serve(self) -> int:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        endpoints: dict[str, str] = {}
        async with contextlib.AsyncExitStack() as stack:
            if self._baud is not None:
                endpoints["tty"] = stack.enter_context(self._terminal(loop))
            if self._port is not None:
                server = await asyncio.start_server(self._client, self._host, self._port)
                await stack.enter_async_context(server)
                host, port = server.sockets[0].getsockname()[:2]
                endpoints["tcp"] = f"tcp://{host}:{port}"
            if self._line is not None:
                behind = await asyncio.start_server(self._over_network, self._host, 0)
                await stack.enter_async_context(behind)
                host, port = behind.sockets[0].getsockname()[:2]
                endpoints["rfc2217"] = f"rfc2217://{host}:{port}"
            control = FaultControl(lambda asked: self._from_thread(loop, asked))
            stack.callback(control.close)
            ready = {"ready": True, "kind": self._kind, "endpoints": endpoints, "faults": str(control.path)}
            if self._often is not None:
                self._keep(self._look_often(self._often))
            print(json.dumps(ready | endpoints), flush=True)  # noqa: T201 - the ready line is the contract
            await stop.wait()
            for task in self._tasks:
                task.cancel()
            for client in self._clients:
                client.close()
        return 0

    @contextlib.contextmanager
    def _terminal(self, loop: asyncio.AbstractEventLoop) -> Any:
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        wire = Wire(self, getattr(self._machine, "terminal_talk", self._machine.talk)(), self._baud)

        def heard() -> None:
            with contextlib.suppress(OSError):
                wire.heard(os.read(master, 4096))

        def write(data: bytes) -> None:
            with contextlib.suppress(OSError):  # nobody reads: a full line loses bytes, as one does
                os.write(master, data)

        loop.add_reader(master, heard)
        self._keep(wire.send(write, lambda: None))
        try:
            yield os.ttyname(slave)
        finally:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(self, self._machine.talk(), None)
        await self._attend(reader, writer, wire.send(writer.write, writer.close), wire.heard)

    async def _over_network(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._line is not None  # noqa: S101 - nobody else serves this
        port, wire = SerialServer(self._line, writer), Wire(self, self._machine.talk(), None)
        await self._attend(
            reader, writer, wire.send(port.write, writer.close), lambda data: port.heard(data, wire.heard)
        )

    async def _attend(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sends: Any, heard: Callable[[bytes], None]
    ) -> None:
        self._clients.add(writer)
        sending = self._keep(sends)
        try:
            while data := await reader.read(4096):
                heard(data)
        except (OSError, asyncio.CancelledError):  # it left, or the server ends
            pass
        finally:
            sending.cancel()
            self._clients.discard(writer)
            writer.close()

    @staticmethod
    async def _look_often(look: Callable[[], None]) -> None:
        while True:
            look()
            await asyncio.sleep(_OFTEN_S)

    def _keep(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _from_thread(self, loop: asyncio.AbstractEventLoop, asked: Any) -> dict[str, Any]:
        async def do() -> dict[str, Any]:
            return self._done(asked)

        try:
            return asyncio.run_coroutine_threadsafe(do(), loop).result(_ANSWER_S)
        except ScandaqError as why:
            return {"error": str(why)}
        except TimeoutError:
            return {"error": f"not done in {_ANSWER_S:g} s"}

    def _done(self, asked: Any) -> dict[str, Any]:
        match asked:
            case {"wire": dict() as fault}:
                self.faults.add(fault)
            case {"do": str() as name}:
                self._do(name, {key: value for key, value in asked.items() if key != "do"})
            case {"told": True}:
                return {"told": self._machine.told()}
            case {"clear": True}:
                self.faults.clear()
                self.deaf = False
            case {"list": True}:
                return {"wire": KINDS, "do": ["silent", "cut", *self._machine.deeds()]}
            case _:
                raise UsageError(_POSSIBLE)
        return {"done": True}

    def _do(self, name: str, said: Mapping[str, Any]) -> None:
        deeds = {"silent": self._silent, "cut": self._cut, **self._machine.deeds()}
        if name not in deeds:
            raise UsageError(f"nobody can {name!r}: possible are {', '.join(deeds)}")
        deeds[name](said)

    def _silent(self, _: Mapping[str, Any]) -> None:
        self.deaf = True

    def _cut(self, _: Mapping[str, Any]) -> None:
        for client in self._clients:
            client.close()
