from sockstack import Prefix, Line, Sp, Req, Rep, Checksum
from sockstack.testing.conformance.messages import MessageLayerKit
from sockstack.testing.memory import MESSAGES
from sockstack.core.capabilities import *
class TestPrefix(MessageLayerKit):
    garbage = (b"\xff" * 4,)
    def make(self): return Prefix(4)
class TestLine(MessageLayerKit):
    payloads=(b"a",b"",b"b"*1000)
    garbage=(b"x"*65540,)
    def make(self): return Line()
    def large(self, size): return b"x"*size
class TestSp(MessageLayerKit):
    garbage=(b"\xff"*8,)
    def make(self): return Req()|Sp()
    def make_peer(self): return Rep()|Sp()
class TestSpMessages(MessageLayerKit):
    below=MESSAGES
    def make(self): return Req()|Sp()
    def make_peer(self): return Rep()|Sp()
class TestCheck(MessageLayerKit):
    garbage=(b"\xff"*8,)
    hostile=(Capabilities(Unit.MESSAGE,reliable=False,ordered=Ordered.NO,nodup=False,session=False),)
    def make(self): return Checksum()
class TestBoth(MessageLayerKit):
    def make(self): return Checksum()|Prefix(2)
