import itertools, tempfile, pathlib
from sockstack import *
from sockstack.testing.conformance.connections import ConnectionKit
from tests.layers.tls_pair import make_files, NAME
F=make_files(pathlib.Path(tempfile.mkdtemp())/"x", NAME)
n=itertools.count()
class TestTcp(ConnectionKit):
    def make_listener(self): return Tcp("127.0.0.1:0")
    def make_dialer(self,a): return Tcp(a)
class TestTcpA(TestTcp): driver="asyncio"
class TestPre(ConnectionKit):
    garbage=(b"\xff"*4,)
    def make_listener(self): return Prefix(4)|Tcp("127.0.0.1:0")
    def make_dialer(self,a): return Prefix(4)|Tcp(a)
    def make_intruder(self,a): return Tcp(a)
class TestPreA(TestPre): driver="asyncio"
class TestTls(ConnectionKit):
    garbage=(b"\xff"*40,)
    greets=True
    def make_listener(self): return Tls(cert=F.cert, key=F.key)|Tcp("127.0.0.1:0")
    def make_dialer(self,a): return Tls(ca=F.ca, server_name=NAME)|Tcp(a)
    def make_intruder(self,a): return Tcp(a)
class TestTlsA(TestTls): driver="asyncio"
class TestInp(ConnectionKit):
    def make_listener(self): return Checksum()|Inproc(f"x{next(n)}")
    def make_dialer(self,a): return Checksum()|Inproc(a)
    garbage=(b"abcdefgh",)
    def make_intruder(self,a): return Inproc(a)
class TestInpA(TestInp): driver="asyncio"
