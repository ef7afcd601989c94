import pytest, tempfile, pathlib
from sockstack import *
from sockstack.testing.conformance.messages import MessageLayerKit
from sockstack.testing.conformance.streams import StreamLayerKit
from tests.layers.tls_pair import make_files, NAME
F=make_files(pathlib.Path(tempfile.mkdtemp())/"x", NAME)
class TestTls(StreamLayerKit):
    garbage=(b"hello there, this is no record at all",b"\x17\x03\x03\x00\x20"+b"x"*32)
    most_cuts=60
    seeds=5
    def make(self): return Tls(ca=F.ca, server_name=NAME)
    def make_peer(self): return Tls(cert=F.cert, key=F.key)
class TestTrace(StreamLayerKit):
    def make(self): return Trace(lambda line: None)
class TestTrace2(MessageLayerKit):
    garbage=(b"\xff"*4,)
    def make(self): return Trace(lambda line: None)|Prefix(4)
class TestPT(MessageLayerKit):
    garbage=(b"hello there, this is no record at all",b"\x17\x03\x03\x00\x20"+b"x"*32)
    most_cuts=60
    seeds=5
    def make(self): return Prefix(4)|Tls(ca=F.ca, server_name=NAME)
    def make_peer(self): return Prefix(4)|Tls(cert=F.cert, key=F.key)
