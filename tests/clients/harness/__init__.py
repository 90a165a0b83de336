"""What the client suites share: a broker to run against, stock clients to drive, and the records they carry."""
