"""The base of the tests' real databases: a port that speaks HTTP, and a reader.

Rules: the reader uses nothing but the standard library, so that it shares no code with the daemon,
and no proxy. It accepts any certificate, because the test itself has started the server: an expired
certificate must not keep a test from reading the stored values.
"""

import base64
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from tests.standins.network.certificates import Certificate
from tests.support.process import Server
from tests.support.programs import Program


class DatabaseError(RuntimeError):
    """A database rejected a request; the text is the status and the server's message."""


class DatabaseServer(Server):
    """A database whose data and files are in `directory`, one for each.

    With a `certificate` it speaks TLS alone. `login` is the reader's user and password.
    """

    error: type[DatabaseError] = DatabaseError

    def __init__(
        self,
        program: Program,
        arguments: Sequence[str | Path],
        directory: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        certificate: Certificate | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.host = host
        self.certificate = certificate
        self.login: tuple[str, str] | None = None
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=trusting))
        name = program.path.name
        super().__init__(
            name,
            [program.path, *arguments],
            directory / f"{name}.log",
            port=port,
            environment={**program.environment, "HOME": str(directory)},
        )

    @property
    def url(self) -> str:
        """The base of its HTTP interface, without a slash at the end."""
        return f"{'https' if self.certificate else 'http'}://{self.host}:{self.port}"

    def ask(
        self,
        path: str,
        parameters: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        timeout: float = 10.0,
    ) -> bytes:
        """Return the body of the answer to a GET, or to a POST when there is a body to send.

        Raises `error` when the server rejects it, and OSError when the server is unreachable or
        does not answer in `timeout` seconds.
        """
        request = Request(f"{self.url}{path}?{urlencode(parameters or {})}", data=body)
        if self.login is not None:
            token = base64.b64encode(":".join(self.login).encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return bytes(answer.read())
        except HTTPError as error:
            with error:
                raise self.error(f"{error.code}: {error.read().decode()}") from None
