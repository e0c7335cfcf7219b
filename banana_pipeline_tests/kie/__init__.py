"""Tests of KIE over HTTP: parsing, real sockets on loopback, the shared pace."""
