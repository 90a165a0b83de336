"""Shared by the client suites: a broker to run against, stock clients to drive, and the records they carry."""
