"""The same as hello_reqrep.py on asyncio: the same names, awaited. One loop runs the server and its clients."""

from __future__ import annotations

import asyncio

from sockstack import Rep, Req
from sockstack.asyncio import Socket


async def ask(address: str, name: bytes) -> bytes:
    async with Socket(Req(), dial=f"tcp://{address}", timeout=10) as req:
        await req.send(name)
        answer = await req.recv()
        print(f"req: got {answer!r}")
        return answer


async def talk() -> None:
    async with Socket(Rep()) as rep:
        listener = rep.listen("tcp://127.0.0.1:0")
        print(f"rep: listens on {listener.address}")

        async def serve() -> None:
            async for request in rep:  # ends when the socket is closed
                print(f"rep: asked {request!r}")
                await rep.send(b"hello " + request)

        serving = asyncio.create_task(serve())

        names = [b"world", b"moon", b"stars"]
        answers = await asyncio.gather(*(ask(listener.address, name) for name in names))
        assert answers == [b"hello " + name for name in names], f"wrong answers: {answers}"

        await rep.close()
        await serving  # raises what went wrong in there
        print("rep: closed")


def main() -> None:
    asyncio.run(talk())


if __name__ == "__main__":
    main()
