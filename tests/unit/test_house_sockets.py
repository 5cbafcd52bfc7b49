import socket

import pytest


def test_tests_in_this_folder_cannot_reach_the_network():
    with socket.socket() as one, pytest.raises(RuntimeError, match="may not touch the network"):
        one.connect(("127.0.0.1", 9))
