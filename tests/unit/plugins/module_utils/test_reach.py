# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a port says to who asks it, and which doors a socket is: on real sockets of the loopback."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading

import pytest
from patience import HANG, sleeper, wait_for

from ansible_collections.faultline.openstack.plugins.module_utils._fault import (
    _doors,
    _nft,
    _proc,
    _reach,
    _service_driver,
    _service_faults,
    _service_hits,
    _service_stops,
)
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

ME = _proc.lookup(os.getpid())
OK = b"HTTP/1.0 200 OK\r\n\r\n"


def bound(kind=socket.SOCK_STREAM, address="127.0.0.1", port=0, family=socket.AF_INET, v6only=True):
    server = socket.socket(family, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    server.bind((address, port))
    if kind == socket.SOCK_STREAM:
        server.listen(16)
    return server


class Server:
    """Serves one port in a thread of its own, by serve(connection); heard: what clients have sent."""

    def __init__(self, serve):
        self.heard, self.count, self.open = [], 0, []
        self.server = bound()
        self.port = self.server.getsockname()[1]
        self.serve = serve
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while True:
            try:
                connection = self.server.accept()[0]
            except OSError:
                return
            self.count += 1
            connection.settimeout(HANG)
            with contextlib.suppress(OSError):
                self.serve(self, connection)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_failure):
        # a close does not wake who waits in accept()
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for each in self.open:
            each.close()
        self.thread.join(HANG)

    def endpoint(self):
        return _reach.Endpoint("tcp", "127.0.0.1", self.port)


def speaks(_server, connection):
    connection.sendall(b"5.5.5-10.11.6-MariaDB")
    connection.close()


def replies(server, connection):
    server.heard.append(connection.recv(999))
    connection.sendall(OK)
    connection.close()


def hangs_up(server, connection):
    server.heard.append(connection.recv(999))
    connection.close()


def says_nothing(server, connection):
    server.open.append(connection)


@pytest.mark.parametrize(("serve", "answer", "manner"), [
    (speaks, "answered", "speaks"), (replies, "answered", "replies"), (hangs_up, "closed", "replies"), (says_nothing, "connected", ""),
])
def test_an_answer_is_told_from_a_connection(serve, answer, manner):
    with Server(serve) as server:
        endpoint = server.endpoint()
        assert _reach.ask([endpoint], HANG if answer != "connected" else 0.5) == {f"127.0.0.1 {server.port}": answer}
        assert endpoint.manner == manner


def test_who_speaks_first_is_sent_nothing_and_who_has_replied_is_asked_the_same():
    said = []

    def late(_server, connection):
        # past the moment at which others are asked
        connection.settimeout(2 * _reach._BANNER)
        with contextlib.suppress(TimeoutError):
            said.append(connection.recv(999))
        speaks(_server, connection)

    with Server(late) as server:
        endpoint = server.endpoint()
        endpoint.manner = "speaks"
        assert _reach.ask([endpoint], HANG) == {str(endpoint): "answered"} and said in ([], [b""])
    with Server(replies) as server:
        endpoint = server.endpoint()
        _reach.ask([endpoint, server.endpoint()], HANG)
        assert set(server.heard) == {_reach._REQUEST} and _reach._REQUEST.startswith(b"GET / HTTP/1.0\r\n")


def test_who_only_listens_answers_nothing_and_where_nobody_listens_it_is_refused():
    with bound() as server, bound() as gone:
        port, free = server.getsockname()[1], gone.getsockname()[1]
        gone.close()
        ask = [_reach.Endpoint("tcp", "127.0.0.1", port), _reach.Endpoint("tcp", "127.0.0.1", free), _reach.Endpoint("tcp", "192.0.2.1", free)]
        # 192.0.2.1 is nobody's, and what cannot be reached at all is left out
        told = _reach.ask(ask, 0.5)
        assert (told[f"127.0.0.1 {port}"], told[f"127.0.0.1 {free}"]) == ("connected", "refused")


def test_a_datagram_goes_through_the_very_door():
    with bound(socket.SOCK_DGRAM, "127.0.0.9") as server:
        port = server.getsockname()[1]
        here, elsewhere = _reach.Endpoint("udp", "127.0.0.9", port), _reach.Endpoint("udp", "127.0.0.1", port)

        def pong():
            server.sendto(b"pong", server.recvfrom(99)[1])

        thread = threading.Thread(target=pong, daemon=True)
        thread.start()
        assert _reach.ask([here, elsewhere], HANG) == {f"udp 127.0.0.9 {port}": "answered", f"udp 127.0.0.1 {port}": "refused"}
        thread.join(HANG)
        assert _reach.ask([here], HANG) == {str(here): "no answer"}


def test_what_is_awaited_has_one_connection_held_until_it_is_answered():
    ready = threading.Event()

    def slow(server, connection):
        ready.wait(HANG)
        replies(server, connection)

    with Server(slow) as server:
        awaited = _reach.Awaited({server.endpoint(): "answered"})
        for _each in range(20):
            assert not awaited.look()
        wait_for(lambda: server.count == 1)
        assert [str(each) for each in awaited.silent()] == [f"127.0.0.1 {server.port}"]
        ready.set()
        wait_for(awaited.look, pause=0.01)
        assert server.count == 1 and not awaited.silent()
        awaited.close()


def test_a_look_takes_a_moment_for_an_answer_that_is_on_its_way(monkeypatch):
    monkeypatch.setattr(_reach, "_MOMENT", HANG)
    with Server(replies) as server:
        endpoint = server.endpoint()
        endpoint.manner = "replies"
        assert _reach.Awaited({endpoint: "answered"}).look()
        # nor is where nobody listens waited for
        server.server.shutdown(socket.SHUT_RDWR)
        assert not _reach.Awaited({server.endpoint(): "answered"}).look()


def test_a_connection_is_enough_only_where_there_was_never_more():
    with bound() as server:
        endpoint = _reach.Endpoint("tcp", *server.getsockname())
        wait_for(_reach.Awaited({endpoint: "connected"}).look)
        awaited = _reach.Awaited({endpoint: "answered"})
        assert not any(awaited.look() for _each in range(20))
        awaited.close()


@pytest.mark.parametrize(("family", "address", "v6only", "foreign", "doors"), [
    (socket.AF_INET, "127.0.0.1", None, False, ["127.0.0.1"]),
    (socket.AF_INET, "0.0.0.0", None, False, ["0.0.0.0"]),
    # one socket for both families, unless somebody else has IPv4 there
    (socket.AF_INET6, "::", False, False, ["0.0.0.0", "::"]),
    (socket.AF_INET6, "::", True, True, ["::"]),
    (socket.AF_INET6, "::1", True, False, ["::1"]),
    (socket.AF_INET6, "::ffff:127.0.0.1", False, False, ["127.0.0.1"]),
])
def test_the_doors_of_a_socket(family, address, v6only, foreign, doors):
    with bound(address=address, family=family, v6only=v6only) as server:
        port = server.getsockname()[1]
        with bound(address="0.0.0.0", port=port) if foreign else contextlib.nullcontext():
            inode = str(os.fstat(server.fileno()).st_ino)
            (mine,) = [each for each in _proc.listening([ME]) if each.inode == inode]
            assert mine.holders == [ME] and mine.namespace == _proc.namespace("self")
            found = _doors.of([mine], ME)
            assert [door.address for door in found] == doors and {door.namespace for door in found} == {None}
            assert set(_doors.ask(found, 0.5).values()) == {"connected"}
            assert ME in _proc.holders([mine])


@pytest.mark.parametrize(("address", "here"), [("127.0.0.9", True), ("192.0.2.1", False), ("::1", True), ("2001:db8::1", False)])
def test_only_addresses_of_this_host_are_asked_for_its_doors(address, here):
    assert _reach._is_here(address) is here
    endpoint = _doors.Door("tcp", address, 9).inner
    told = _reach.ask([endpoint], HANG)
    assert told == ({f"{address} 9": "refused"} if here else {})
    # an address that has moved away is awaited from nobody
    assert _reach.Awaited({endpoint: "answered"}).look() is not here


def test_an_address_of_an_interface_is_here():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        # nothing is sent
        channel.connect(("192.0.2.1", 9))
        assert _reach._is_here(channel.getsockname()[0])


def test_a_rule_for_one_address_comes_before_that_for_all():
    sockets = [_proc.Socket("tcp", address, 80, family) for address, family in (("0.0.0.0", socket.AF_INET), ("10.0.0.1", socket.AF_INET))]
    assert [door.address for door in _doors.of(sockets, ME, table={})] == ["10.0.0.1", "0.0.0.0"]


def test_each_door_has_counters_of_its_own(monkeypatch):
    doors = [("tcp", 1, "ingress", None), ("udp", 2, "egress", "10.0.0.1"), ("tcp", 3, "both", "::"), ("tcp", 3, "both", "0.0.0.0")]
    packets = {"input": [1, 30, 40], "output": [2, 300, 400]}
    rules = [
        {"rule": {"chain": hook, "expr": [{"match": {}}, {"counter": {"packets": number}}, {"drop": None}]}}
        for hook, numbers in packets.items() for number in numbers]
    said = type("Finished", (), {"out": json.dumps({"nftables": [{"metainfo": {}}, {"table": {}}, *rules]})})
    monkeypatch.setattr(_nft, "run", lambda argv: said)
    assert _nft.dropped("faultline_x", doors) == [1, 2, 330, 440]


@pytest.fixture
def ended():
    """A process that has ended since it was seen."""
    with subprocess.Popen(["true"]) as child:
        pass
    return _proc.Process(child.pid, 1, "true")


def test_a_process_that_has_ended_is_told_as_gone_and_not_as_one_of_this_host(ended):
    assert _doors.where(ME) == (None, "", "")
    with pytest.raises(FaultlineError) as caught:
        _doors.where(ended)
    assert caught.value.code == "gone" and str(ended) in caught.value.message and "ended while it was looked at" in caught.value.message


def test_a_door_is_seen_by_whoever_still_has_it_open(ended):
    """A worker that has ended since is no reason to look in another place."""
    with bound() as server:
        inode = str(os.fstat(server.fileno()).st_ino)
        (mine,) = [each for each in _proc.listening([ME]) if each.inode == inode]
        mine.holders.insert(0, ended)
        assert [process for process, _sockets in _doors.grouped([mine])] == [ME]
        mine.holders[:] = [ended]
        # nobody has it any more
        assert _doors.grouped([mine]) == []


def test_where_nobody_listens_any_more_nothing_of_this_host_is_cut_in_its_place(ended, monkeypatch):
    monkeypatch.setattr(_nft, "require", lambda elsewhere: None)
    monkeypatch.setattr(Mine, "processes", lambda self: [ended])
    with bound() as server:
        fault = _service_faults.Unplug(Mine("app", {}), [("tcp", server.getsockname()[1], "both")])
        with pytest.raises(FaultlineError) as caught:
            fault.resolve()
    assert caught.value.code == "gone" and "Nothing was touched" in caught.value.hint


class Mine(_service_driver.Service):
    """A service whose process is this one."""

    def processes(self):
        return [ME]


@pytest.fixture
def unplug(monkeypatch):
    """unplug(ports): a fault of ours, resolved."""
    monkeypatch.setattr(_nft, "require", lambda elsewhere: None)

    def resolved(*ports):
        fault = _service_faults.Unplug(Mine("app", {}), ports)
        fault.resolve()
        return fault

    return resolved


def test_a_port_on_which_nobody_listens_is_refused_and_those_of_the_service_are_named(unplug):
    with bound() as server, bound() as gone:
        port, free = server.getsockname()[1], gone.getsockname()[1]
        gone.close()
        with pytest.raises(FaultlineError, match=rf"nothing listens on tcp {free}, and app on .*tcp 127.0.0.1:{port}") as caught:
            unplug(("tcp", port, "both"), ("tcp", free, "both"))
        assert caught.value.code == "not_listening"
        # what goes out from a port needs nobody who listens there
        assert [str(door) for door in unplug(("tcp", free, "egress")).doors] == [f"tcp {free}"]


def test_a_port_that_is_given_for_both_ways_apart_is_cut_once(unplug):
    with bound() as server:
        port = server.getsockname()[1]
        fault = unplug(("tcp", port, "ingress"), ("tcp", port, "egress"))
        assert [door.rule for door in fault.doors] == [("tcp", port, "both", "127.0.0.1")]
        assert fault.plan() == [f"drop all packets to and from tcp 127.0.0.1:{port}; ask 127.0.0.1 {port} before and after"]
        assert [step.get("namespace") for step in fault.steps("unplug-00000000")] == [None]


def test_silence_where_nobody_answered_before_is_refused(unplug, monkeypatch):
    with bound() as server:
        port = server.getsockname()[1]
        fault = unplug(("tcp", port, "both"))
        monkeypatch.setattr(_service_stops._journal, "open_faults", lambda action, names: [])
        fault.look_before({"id": "unplug-00000000"})
        assert fault.answers_before == {f"127.0.0.1 {port}": "connected"}
    # nobody listens there any more
    with pytest.raises(FaultlineError, match=rf"tcp 127.0.0.1:{port} did not answer before either \(refused\)"):
        fault.look_before({"id": "unplug-00000000"})


class Restarted(_service_driver.Service):
    """A service whose process is this one, once who was there before is gone; restart(): what meanwhile() says."""

    def __init__(self, meanwhile):
        super().__init__("app", {})
        self.restart = meanwhile

    def processes(self):
        return [ME]


def restarting(meanwhile, old, server):
    """A restart of ours, looked at before."""
    fault = _service_faults.Restart(Restarted(meanwhile))
    fault.processes, fault.payload, fault.kept = [old], [], set()
    fault.ports, fault.wanted = {("tcp", server.port)}, {server.endpoint(): "answered"}
    return fault


def test_a_restart_that_takes_longer_than_the_service_is_seen_to_serve_meanwhile():
    def restart():
        wait_for(lambda: fault.answering_after is not None)

    with Server(replies) as server:
        fault = restarting(restart, _proc.Process(2 ** 22 + 1, 1, "gone"), server)
        fault.inject({})
        assert 0 < fault.listening_after <= fault.answering_after <= fault._since()
        assert fault.recover(True)["after"] == fault.answering_after


def test_what_is_answered_while_the_old_one_is_there_is_no_answer_of_the_new_one():
    def restart():
        # nothing is to happen, which some looks show
        threading.Event().wait(5 * _service_hits._LOOK)
        assert server.count == 0
        old.kill()
        old.wait(HANG)
        wait_for(lambda: fault.answering_after is not None)

    with Server(replies) as server, sleeper("restarted") as old:
        fault = restarting(restart, _proc.lookup(old.pid), server)
        fault.inject({})
        assert server.count == 1


def test_a_killed_service_is_seen_to_serve_while_its_end_is_still_being_proven():
    with Server(replies) as server, sleeper("killed") as old:
        fault = _service_faults.Kill(Restarted(None))
        fault.processes, fault.payload, fault.kept = [_proc.lookup(old.pid)], [], set()
        fault.ports, fault.wanted = {("tcp", server.port)}, {server.endpoint(): "answered"}
        fault.inject({})
        old.wait(HANG)
        wait_for(lambda: fault.answering_after is not None)
        assert fault.recover(True)["after"] == fault.answering_after


def test_a_connection_that_does_not_stand_is_tried_anew_before_the_kernel_would(monkeypatch):
    begun = []

    class Counted(_reach._Conversation):
        def __init__(self, endpoint):
            super().__init__(endpoint)
            begun.append(self.connected_at)

    monkeypatch.setattr(_reach, "_Conversation", Counted)
    with contextlib.ExitStack() as stack:
        # a queue that is full: what asks to come in is dropped without a word
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        endpoint = _reach.Endpoint("tcp", "127.0.0.1", server.getsockname()[1])
        waiting = stack.enter_context(socket.create_connection(server.getsockname(), HANG))
        awaited = _reach.Awaited({endpoint: "connected"})
        stack.callback(awaited.close)
        wait_for(lambda: awaited.look() or len(begun) > 2)
        assert not awaited.answered and set(begun) == {None}
        server.accept()[0].close()
        waiting.close()
        wait_for(awaited.look)
        assert awaited.answered == {endpoint}


def test_who_served_for_a_moment_only_was_not_back():
    with Server(replies) as server:
        fault = restarting(lambda: None, _proc.Process(2 ** 22 + 1, 1, "gone"), server)
        fault.started = 0.0
        wait_for(fault._serving)
        assert fault.answering_after
        server.server.shutdown(socket.SHUT_RDWR)
        assert not fault._serving() and fault.answering_after is None and fault.listening_after is None


def test_a_restart_that_fails_is_looked_at_no_longer():
    def restart():
        raise FaultlineError("It did not.", code="program_failed")

    with Server(replies) as server:
        fault, threads = restarting(restart, ME, server), threading.active_count()
        with pytest.raises(FaultlineError, match="It did not"):
            fault.inject({})
        assert threading.active_count() == threads


@pytest.mark.parametrize(("serve", "silent"), [(replies, False), (hangs_up, False), (speaks, False), (says_nothing, True)])
def test_a_freeze_is_proven_only_where_nobody_answers(serve, silent):
    fault = _service_faults.Freeze(Mine("app", {}))
    with Server(serve) as server:
        watch = _service_stops.Answers(fault, [_doors.Door("tcp", "127.0.0.1", server.port)])
        if silent:
            # it has never answered, so that it does not proves nothing
            assert watch.prove_silent() == {}
            return
        with pytest.raises(FaultlineError, match=f"it still answers at 127.0.0.1 {server.port}"):
            watch.prove_silent()
    # gone, as refused as it may be, is not answered
    assert set(watch.prove_silent()["answers"].values()) == {"refused"}
