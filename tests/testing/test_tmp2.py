import socket, os, itertools, pytest
from sockstack import *
from sockstack.testing.conformance.transports import TransportKit
from sockstack.testing.conformance.listeners import ListeningTransportKit
n=itertools.count()
class TestTcp(ListeningTransportKit):
    bad_addresses=("127.0.0.1:99999","a:b:c")
    def make_listener(self): return Tcp("127.0.0.1:0")
    def make_dialer(self,a): return Tcp(a)
    def nobody(self): return "127.0.0.1:1"
class TestTcpA(TestTcp):
    driver="asyncio"
class TestUnix(ListeningTransportKit):
    @pytest.fixture(autouse=True)
    def _d(self,tmp_path): self.d=tmp_path
    bad_addresses=("","x"*200)
    def make_listener(self): return Unix(str(self.d/f"s{next(n)}"))
    def make_dialer(self,a): return Unix(a)
    def nobody(self): return str(self.d/"none")
class TestUnixA(TestUnix):
    driver="asyncio"
class TestAbs(TestUnix):
    bad_addresses=()
    def make_listener(self): return Unix(f"sockstack-{os.getpid()}-{next(n)}",abstract=True)
    def make_dialer(self,a): return Unix(a,abstract=True)
class TestAbsA(TestAbs):
    driver="asyncio"
class TestInproc(ListeningTransportKit):
    pauses=False
    def make_listener(self): return Inproc(f"s{next(n)}")
    def make_dialer(self,a): return Inproc(a)
    def nobody(self): return "none"
class TestInprocA(TestInproc):
    driver="asyncio"
class TestFd(TransportKit):
    def make_ends(self): 
        a,b=socket.socketpair()
        return Fd(a),Fd(b)
    def discard(self,spec):spec.source.close()
class TestFdA(TestFd):
    driver="asyncio"
class TestFdN(TransportKit):
    def make_ends(self): 
        a,b=socket.socketpair()
        return Fd(a.detach()),Fd(b.detach())
    def discard(self,spec):
        try: os.close(spec.source)
        except OSError: pass
class TestPipes(TransportKit):
    def make_ends(self): 
        a,b=os.pipe(); c,d=os.pipe()
        return Fd((a,d)),Fd((c,b))
    def discard(self,spec):
        for f in spec.source:
            try: os.close(f)
            except OSError: pass
class TestPipesA(TestPipes):
    driver="asyncio"
