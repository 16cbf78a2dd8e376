"""moto's server, for one class of tests."""

import urllib.request

from moto.server import ThreadedMotoServer


def start_moto(tests):
    """Starts it until the class has ended, and gives its address.

    moto keeps what was made in the process and not in the server, so what another class has made is removed first.
    """
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    tests.addClassCleanup(server.stop)
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    return url
