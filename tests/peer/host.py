"""osquery's side of the extension socket, played with the official Python SDK.

Reads one JSON command a line from standard input and writes one JSON answer a line. Queries are
run in an SQLite database that holds osquery's tables; its text need not be UTF-8.
"""

import json
import socket
import sqlite3
import sys
import threading
import time

from osquery.extensions import Extension, ExtensionManager
from osquery.extensions.ttypes import ExtensionResponse, ExtensionStatus, InternalExtensionInfo
from thrift.protocol.TBinaryProtocol import TBinaryProtocol, TBinaryProtocolFactory
from thrift.server.TServer import TThreadedServer
from thrift.transport.TSocket import TServerSocket, TSocket
from thrift.transport.TTransport import TBufferedTransport, TBufferedTransportFactory


class LatinProtocol(TBinaryProtocol):
    """Writes text byte for byte as it was found, as osquery does."""

    def writeString(self, text):
        self.writeBinary(text.encode("utf-8", "surrogateescape"))


class LatinProtocolFactory(TBinaryProtocolFactory):
    def getProtocol(self, transport):
        return LatinProtocol(transport)


class Host(ExtensionManager.Iface):
    def __init__(self, database):
        self.database = database
        self.queries = 0
        self.extensions_listed = {}
        self.registries = {}
        self.registrations = 0
        self.refuse_until = 0.0
        self.refused = 0
        self.next_uuid = 100

    def ping(self):
        return ExtensionStatus(code=0, message="OK")

    def extensions(self):
        return dict(self.extensions_listed)

    def options(self):
        return {}

    def registerExtension(self, info, registry):
        is_known = any(known.name == info.name for known in self.extensions_listed.values())
        if is_known or time.monotonic() < self.refuse_until:
            self.refused += 1
            return ExtensionStatus(code=1, message="Duplicate extension registered")
        self.next_uuid += 1
        self.registrations += 1
        self.extensions_listed[self.next_uuid] = info
        self.registries[self.next_uuid] = registry
        return ExtensionStatus(code=0, message="OK", uuid=self.next_uuid)

    def deregisterExtension(self, uuid):
        if self.extensions_listed.pop(uuid, None) is None:
            return ExtensionStatus(code=1, message="No extension UUID registered")
        return ExtensionStatus(code=0, message="OK")

    def query(self, sql):
        self.queries += 1
        connection = sqlite3.connect("file:%s?mode=ro" % self.database, uri=True, timeout=10)
        connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        try:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description]
            rows = [
                {name: "" if value is None else str(value) for name, value in zip(names, row)}
                for row in cursor
            ]
        except sqlite3.Error as error:
            return ExtensionResponse(
                status=ExtensionStatus(code=1, message=str(error)), response=[]
            )
        finally:
            connection.close()
        return ExtensionResponse(status=ExtensionStatus(code=0, message="OK"), response=rows)

    def getQueryColumns(self, sql):
        return ExtensionResponse(status=ExtensionStatus(code=1, message="no tables"), response=[])


def client(path):
    transport = TBufferedTransport(TSocket(unix_socket=path))
    transport.open()
    return transport, Extension.Client(TBinaryProtocol(transport))


def call(path, item, request):
    """As osquery does it: a ping on a new connection, then the call."""
    transport, extension = client(path)
    started = time.monotonic()
    extension.ping()
    ping_ms = (time.monotonic() - started) * 1000
    response = extension.call("table", item, request)
    transport.close()
    return {
        "code": response.status.code,
        "message": response.status.message,
        "rows": response.response,
        "ping_ms": ping_ms,
    }


def main():
    socket_path = sys.argv[1]
    host = Host(sys.argv[2])
    processor = ExtensionManager.Processor(host)
    server = TThreadedServer(
        processor,
        TServerSocket(unix_socket=socket_path),
        TBufferedTransportFactory(),
        LatinProtocolFactory(),
        daemon=True,
    )
    threading.Thread(target=server.serve, daemon=True).start()

    def extension_path():
        return "%s.%d" % (socket_path, max(host.extensions_listed))

    for line in sys.stdin:
        command = json.loads(line)
        verb = command["do"]
        if verb == "state":
            answer = {
                "listed": {str(u): i.name for u, i in host.extensions_listed.items()},
                "versions": [
                    [i.version, i.sdk_version] for i in host.extensions_listed.values()
                ],
                "registrations": host.registrations,
                "refused": host.refused,
                "queries": host.queries,
            }
        elif verb == "routes":
            answer = host.registries[max(host.registries)]
        elif verb == "drop":
            host.extensions_listed.clear()
            answer = {}
        elif verb == "refuse":
            host.refuse_until = time.monotonic() + command["seconds"]
            answer = {}
        elif verb == "occupy":
            host.extensions_listed[7] = InternalExtensionInfo(name=command["name"])
            occupied = socket.socket(socket.AF_UNIX)
            occupied.bind(socket_path + ".7")
            occupied.listen()
            answer = {}
        elif verb == "shutdown":
            transport, extension = client(extension_path())
            extension.shutdown()
            answer = {}
        elif verb == "call":
            answer = call(extension_path(), command["item"], command["request"])
        elif verb == "parallel":
            answers = [None] * len(command["requests"])

            def one(index, request):
                answers[index] = call(extension_path(), command["item"], request)

            threads = [
                threading.Thread(target=one, args=each) for each in enumerate(command["requests"])
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            answer = answers
        print(json.dumps(answer), flush=True)


main()
