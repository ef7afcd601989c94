"""TLS on a live connection, and off it again: half-close, then plain messages over the same TCP connection.

Prefix(4) frames messages, Tls encrypts them, Tcp carries them. Each end ends its own half of TLS, the other half goes
on; when both have ended, TLS can be taken off. Plain bytes that came in one read with its end are not lost.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sockstack import LOCAL_ADDRESS, TLS_VERSION, Prefix, Tcp, Tls, dial, listen

SELF_SIGNED = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"


def make_certificate(cert: Path, key: Path, ca: Path) -> None:
    """A certificate for ``localhost``, its key, and whom to trust for it; made with what there is."""
    if shutil.which("openssl"):
        options: list[str | Path] = [
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            key,
            "-out",
            cert,
        ]
        subprocess.run([*SELF_SIGNED.split(), *options], check=True, capture_output=True)
        shutil.copy(cert, ca)
    else:
        import trustme  # pip install trustme

        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(str(cert))
        issued.private_key_pem.write_to_path(str(key))
        authority.cert_pem.write_to_path(str(ca))


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor() as threads:
        cert, key, ca = (Path(directory, name) for name in ("cert.pem", "key.pem", "ca.pem"))
        make_certificate(cert, key, ca)
        with listen(Prefix(4) | Tls(cert=cert, key=key) | Tcp("127.0.0.1:0"), timeout=10) as server:
            print(f"server: listens on {server.address}")

            def serve() -> None:
                with server.accept() as secure:
                    for message in secure:  # until the client has ended its half
                        print(f"server: TLS message {message!r}")
                    secure.send(b"still secret")
                    secure.end()
                    with secure.detach(Tls).attach(Prefix(4)) as plain:
                        plain.send(b"in the clear")
                        print(f"server: goes on with {plain.path}, has sent a plain message")
                        for message in plain:
                            plain.send(message.upper())

            served = threads.submit(serve)

            stack = Prefix(4) | Tls(server_name="localhost", ca=ca) | Tcp(server.address)
            with dial(stack, timeout=10) as secure:
                address = secure.get(LOCAL_ADDRESS)
                print(f"client: {secure.path} from {address}, {secure.get(TLS_VERSION)}")
                secure.send(b"a secret")
                secure.end()
                print("client: has ended its half of TLS")
                answers = list(secure)  # until the server has ended its half
                print(f"client: TLS messages {answers}")
                assert answers == [b"still secret"], answers

                with secure.detach(Tls).attach(Prefix(4)) as plain:
                    print(f"client: goes on with {plain.path} from {plain.get(LOCAL_ADDRESS)}")
                    assert plain.get(LOCAL_ADDRESS) == address, "this is another connection"
                    plain.send(b"echo this")
                    plain.end()
                    answers = list(plain)
                    print(f"client: plain messages {answers}")
                    assert answers == [b"in the clear", b"ECHO THIS"], answers
            served.result()


if __name__ == "__main__":
    main()
