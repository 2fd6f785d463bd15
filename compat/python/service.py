"""Stands in for a module of kafka-python's tests that its package leaves out: how a broker is run. The
one that the tests are given is there already."""


class ExternalService:
    def __init__(self, host, port):
        self.host = host
        self.port = port

    def open(self):
        pass

    def stop(self):
        pass


class SpawnedService:
    pass
