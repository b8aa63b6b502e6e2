"""The HTTP endpoint of a process: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever runs the process."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socket import AF_INET6
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from pipeline.config.errors import ConfigError
from pipeline.config.settings import MetricsSettings
from pipeline.monitor.health import Health

Respond = Callable[[str, list[tuple[str, str]]], object]
Application = Callable[[dict[str, Any], Respond], Iterable[bytes]]

JSON = "application/json; charset=utf-8"
SCRAPE_SECONDS = 10.0
"""A client that is slower to ask than this is hung up on."""


@contextmanager
def exposed(settings: MetricsSettings, process: str, registry: CollectorRegistry, health: Health) -> Iterator[None]:
    """Serve the endpoint of `process` (ingest, worker, serve, learner) on its port of the settings until the end.

    With port 0 there is none. Raises ConfigError where the address is taken or not ours.
    """
    port: int = getattr(settings, f"{process}_port")
    if not port:
        yield
        return
    server = _listen(settings.host, port, process)
    server.set_app(_application(registry, health))
    thread = Thread(target=server.serve_forever, args=(0.1,), name="monitor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _listen(host: str, port: int, process: str) -> WSGIServer:
    try:
        return (_Server6 if ":" in host else _Server)((host, port), _Handler)
    except OSError as error:
        raise ConfigError(
            f"metrics.{process}_port", f"cannot listen on {host}:{port}: {error.strerror or error}; set another, or 0"
        ) from error


def _application(registry: CollectorRegistry, health: Health) -> Application:
    metrics: Any = make_wsgi_app(registry)

    def application(environment: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        match environment["PATH_INFO"]:
            case "/metrics":
                return metrics(environment, respond)  # type: ignore[no-any-return]  # wsgi types are private
            case "/healthz":
                return _answer(respond, health.not_alive())
            case "/readyz":
                return _answer(respond, health.missing())
        respond(f"{HTTPStatus.NOT_FOUND.value} Not Found", [("Content-Type", "text/plain")])
        return [b"/metrics, /healthz and /readyz are here\n"]

    return application


def _answer(respond: Respond, missing: list[str]) -> Iterable[bytes]:
    """One line of JSON: 200 where nothing is missing, else 503."""
    status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
    respond(f"{status.value} {status.phrase}", [("Content-Type", JSON), ("Cache-Control", "no-store")])
    return [json.dumps({"ok": not missing, "missing": missing}).encode() + b"\n"]


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request; does not look up its own name, which can take seconds where there is no DNS."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind, with the address as the name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    """The same for an IPv6 address."""

    address_family = AF_INET6


class _Handler(WSGIRequestHandler):
    """Logs no requests: a scrape every few seconds is no news."""

    timeout = SCRAPE_SECONDS

    def log_message(self, *_: object) -> None:
        """Say nothing."""
