"""A server that answers every connection with some bytes, whatever it is asked: what a Redis must not be."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fake_server(*answers: bytes) -> Iterator[str]:
    """Gives its address; one answer for each piece that it is sent, none: it is silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, answers), daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, answers: tuple[bytes, ...]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection, answers), daemon=True).start()


def _answer(connection: socket.socket, answers: tuple[bytes, ...]) -> None:
    with connection:
        for answer in answers:
            if not connection.recv(65536):
                return
            connection.sendall(answer)
        while connection.recv(65536):
            pass
