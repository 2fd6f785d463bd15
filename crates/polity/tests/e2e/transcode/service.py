"""A library that speaks gRPC and tells by reflection what it can be asked."""

import os
import signal
import threading
from concurrent import futures

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

protos, services = grpc.protos_and_services("library.proto")


class Library(services.LibraryServicer):
    def GetBook(self, request, context):
        if request.name.endswith("/lost"):
            detail = any_pb2.Any()
            detail.Pack(error_details_pb2.ErrorInfo(reason="LOST", domain="library"))
            status = status_pb2.Status(code=5, message="no such book: ä", details=[detail])
            context.abort_with_status(rpc_status.to_status(status))
        if request.name.endswith("/slow"):
            threading.Event().wait(4)
        name = request.name.upper() if request.loudly else request.name
        return protos.Book(name=name, pages=2**53 + 1)

    def CreateBook(self, request, context):
        return protos.Book(name=f"{request.parent}/{request.book.name}", pages=request.book.pages)

    def ReadAll(self, request, context):
        for number in range(3):
            yield protos.Book(name=f"{request.name}/{number}")
        if request.loudly:
            context.abort(grpc.StatusCode.DATA_LOSS, "the rest has burnt")

    def Lend(self, request, context):
        return request


server = grpc.server(futures.ThreadPoolExecutor(8))
services.add_LibraryServicer_to_server(Library(), server)
names = [service.full_name for service in protos.DESCRIPTOR.services_by_name.values()]
reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
server.add_insecure_port(f"{os.environ['HOST']}:{os.environ['PORT']}")
server.start()
signal.signal(signal.SIGTERM, lambda *_: server.stop(5))
server.wait_for_termination()
