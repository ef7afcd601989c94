"""sockstack: a socket is a stack."""

from __future__ import annotations

from .drivers.blocking.connection import attach, dial, listen
from .drivers.blocking.socket import Socket
from .layers.line import Line
from .layers.prefix import Prefix
from .layers.sp import Sp
from .patterns.pipeline import Pull, Push
from .patterns.reqrep import Rep, Req
from .transports.fd import Fd
from .transports.inproc import Inproc
from .transports.tcp import Tcp
from .transports.unix import Unix

__all__ = ["Fd", "Inproc", "Line", "Prefix", "Pull", "Push", "Rep", "Req", "Socket", "Sp", "Tcp", "Unix", "attach", "dial", "listen"]
