"""A door between the program and Postgres that slams at the worst moment.

Here: forwarding bytes, and cutting connections around a COMMIT. Not here: facts; the tests state those.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum

import sqlalchemy as sa

_COMMIT = b"COMMIT\x00"  # as a whole query: BEGIN names "READ COMMITTED"


class Cut(Enum):
    """What becomes of a connection when a COMMIT comes through."""

    NOT = "the commit is done and answered"
    BEFORE = "the commit never arrives"
    AFTER = "the commit is done, its answer is lost"


class Door:
    """Listens on a free port. ``on_commit`` is asked at every COMMIT, with its number, counted from 1."""

    def __init__(self, host: str, port: int) -> None:
        self.on_commit: Callable[[int], Cut] = lambda number: Cut.NOT
        self.commits = 0
        self.cuts = 0
        self._server = (host, port)
        self._count = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        self.slam()

    def slam(self) -> None:
        """Cut every connection there is."""
        for one in list(self._open):
            _shut(one)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open |= {client, server}
                for work in (self._to_server, self._to_client):
                    threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                cut = self._cut() if _COMMIT in data else Cut.NOT
                if cut is not Cut.BEFORE:
                    server.sendall(data)
                if cut is Cut.AFTER:
                    # The server closes when it has done all that it was sent.
                    client.shutdown(socket.SHUT_RDWR)
                    server.shutdown(socket.SHUT_WR)
                    return
                if cut is Cut.BEFORE:
                    break
        self._end(client, server)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                with suppress(OSError):
                    client.sendall(data)
        self._end(client, server)

    def _cut(self) -> Cut:
        with self._count:
            self.commits += 1
            cut = self.on_commit(self.commits)
            self.cuts += cut is not Cut.NOT
            return cut

    def _end(self, *ends: socket.socket) -> None:
        for one in ends:
            self._open.discard(one)
            _shut(one)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def open_door(url: str) -> Iterator[tuple[Door, str]]:
    """A door to a Postgres ledger, and the ledger's URL through it; unencrypted, so that a COMMIT can be seen."""
    real = sa.make_url(url)
    door = Door(real.host or "127.0.0.1", real.port or 5432)
    through = real.set(host="127.0.0.1", port=door.port).update_query_dict(
        {"sslmode": "disable", "gssencmode": "disable"}
    )
    try:
        yield door, through.render_as_string(hide_password=False)
    finally:
        door.close()
