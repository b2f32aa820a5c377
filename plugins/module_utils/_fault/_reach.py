# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a client sees of a port, from inside the network namespace that it is in: asked all at once, with one deadline.

A connection is no answer: the kernel takes connections for a process that is stopped, or has not loaded its application yet. So a TCP port
is listened to, and who says nothing by itself gets one HTTP request. Who speaks first (MySQL, SSH, SMTP) is sent nothing. Other servers
answer by an error or close (AMQP, Redis, memcached, TLS): a sign of life as well. MySQL counts connections that are closed before they have
logged in, for each client but the loopback, and refuses it after 100 (max_connect_errors): so connections are few, and while a port is
awaited one is held until it is answered. A UDP port gets an empty datagram.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time

from . import _namespaces
from ._errors import FaultlineError

# what this host, or the namespace, cannot ask: it has no such address, or no way to it
_GONE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH, errno.EINVAL)
# where nobody listens
_DISCARD = 9
# seconds for which a server may say something by itself before it is asked
_BANNER = 0.1
_REQUEST = b"GET / HTTP/1.0\r\nUser-Agent: faultline\r\n\r\n"
# seconds for which a port has to stay silent
SILENCE = 0.4
# seconds that an answer may take; only who connects and says nothing takes them
ANSWER = 1.0
# seconds after which a connection that is not answered is given up for another
_HELD = 30.0
# seconds after which one that does not even stand is: what was lost on the way would be sent again only after a second
_KNOCK = 0.1
# seconds that a look at an awaited port takes for an answer
_MOMENT = 0.04
# seconds before a port that has closed is asked again
_AGAIN = 0.25
# how much an answer says; what is not here is none
RANKS = {"connected": 1, "closed": 2, "answered": 3}


class Endpoint:
    """Where a port is asked: protocol, address, port; path: the file of the network namespace to ask from ('' for our own); place: words for it.

    here: only to be asked where its address is one of this host, or of the namespace: a virtual address may be another node's by now, which answers.
    manner: how it gave its answers before: 'speaks' by itself, or 'replies' to a request; '' where that is not known.
    """

    def __init__(self, protocol, address, port, path="", place="", here=False):
        self.protocol = protocol
        self.address = address
        self.port = port
        self.path = path
        self.place = place
        self.here = here
        self.manner = ""

    def __str__(self):
        words = "%s %d" % (self.address, self.port)
        return ("udp " if self.protocol == "udp" else "") + words + (", " + self.place if self.place else "")

    def within(self, work):
        """What work() returns in its network namespace."""
        return _namespaces.within(self.path, work) if self.path else work()

    @property
    def family(self):
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    def open(self):
        """A socket in its network namespace, and the address that it is to ask there."""
        def make():
            if self.here and not _is_here(self.address):
                raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
            kind = socket.SOCK_DGRAM if self.protocol == "udp" else socket.SOCK_STREAM
            return socket.socket(self.family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC), self._scope()

        channel, scope = self.within(make)
        return channel, (self.address, self.port, 0, scope) if self.family == socket.AF_INET6 else (self.address, self.port)

    def _scope(self):
        """The interface of a link-local address."""
        return _ipv6_addresses().get(self.address, 0) if self.address.lower().startswith("fe80:") else 0


def _ipv6_addresses():
    """address -> index of its interface, in the network namespace of this thread."""
    try:
        with open("/proc/thread-self/net/if_inet6") as stream:
            lines = [line.split() for line in stream]
    except OSError:
        return {}
    return {socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[0])): int(words[1], 16) for words in lines}


def _is_here(address):
    """Whether an address belongs to the network namespace of this thread. To bind to it says nothing where ip_nonlocal_bind is set."""
    if ":" in address:
        return address in _ipv6_addresses()
    if address.startswith("127."):
        return True
    last = ""
    with open("/proc/thread-self/net/fib_trie") as stream:
        for line in stream:
            words = line.split()
            if words[0] == "|--":
                last = words[1]
            elif last == address and words[1:] == ["host", "LOCAL"]:
                return True
    return False


class _Conversation:
    """One question to an endpoint. answer: 'answered', 'closed' (without a word), 'connected', 'refused', 'no answer'; None where it cannot be asked."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.answer = "no answer"
        self.since = time.monotonic()
        self.connected_at = None
        self.asked = False
        self.channel = None
        try:
            self.channel, where = endpoint.open()
            code = self.channel.connect_ex(where)
        except (OSError, FaultlineError):
            self._end(None)
            return
        if code in _GONE:
            self._end(None)
        elif code == errno.ECONNREFUSED:
            self._end("refused")
        elif code == 0:
            self._connected()
        elif code != errno.EINPROGRESS:
            self._end("no answer")

    @property
    def over(self):
        return self.channel is None

    @property
    def patience(self):
        """Seconds after which it is given up for another one, where somebody is awaited."""
        if self.endpoint.protocol == "udp":
            return _AGAIN
        return _KNOCK if self.connected_at is None else _HELD

    def _end(self, answer):
        self.answer = answer
        self.close()

    def close(self):
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def _connected(self):
        self.connected_at = time.monotonic()
        if self.endpoint.protocol == "udp":
            self._ask(b"")
        else:
            self.answer = "connected"

    def _ask(self, words):
        self.asked = True
        try:
            self.channel.send(words)
        except ConnectionRefusedError:
            self._end("refused")
        except BlockingIOError:
            pass
        except OSError:
            # a rule of this host drops it, or the connection is over, which is seen next
            pass

    def next(self):
        """When it has something to do of itself, or None."""
        if self.connected_at is None or self.asked or self.endpoint.manner == "speaks":
            return None
        return self.connected_at + (0 if self.endpoint.manner == "replies" else _BANNER)

    def step(self):
        """Go on as far as that is possible now."""
        if self.over:
            return
        if self.connected_at is None:
            # select() knows no descriptor above 1024
            poll = select.poll()
            poll.register(self.channel, select.POLLOUT)
            if not poll.poll(0):
                return
            code = self.channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._end("refused" if code == errno.ECONNREFUSED else "no answer")
                return
            self._connected()
        if not self._listen() and self.next() is not None and time.monotonic() >= self.next():
            self._ask(_REQUEST)

    def _listen(self):
        """Whether it is over."""
        if self.over:
            return True
        try:
            said = self.channel.recv(512)
        except BlockingIOError:
            return False
        except ConnectionRefusedError:
            self._end("refused")
            return True
        except OSError:
            self._end("no answer" if self.endpoint.protocol == "udp" else "closed")
            return True
        if said or self.asked or self.endpoint.protocol == "udp":
            self.endpoint.manner = self.endpoint.manner or ("replies" if self.asked else "speaks")
        self._end("answered" if said or self.endpoint.protocol == "udp" else "closed")
        return True


def _wait(conversations, end):
    """Until one of them can go on, or the end."""
    poll, now = select.poll(), time.monotonic()
    moments = [end]
    for each in conversations:
        poll.register(each.channel, select.POLLIN if each.connected_at is not None else select.POLLOUT)
        if each.next() is not None:
            moments.append(each.next())
    poll.poll(max(0.0, min(moments) - now) * 1000 + 1)


def ask(endpoints, patience):
    """{name of an endpoint: answer} after patience seconds at most (see _Conversation); those that cannot be asked are left out."""
    conversations = [_Conversation(endpoint) for endpoint in endpoints]
    begun = time.monotonic()

    def end(each):
        # most servers never answer an empty datagram
        return begun + (min(patience, SILENCE) if each.endpoint.protocol == "udp" else patience)

    try:
        while True:
            for each in conversations:
                each.step()
            waiting = [each for each in conversations if not each.over and time.monotonic() < end(each)]
            if not waiting:
                break
            _wait(waiting, min(map(end, waiting)))
    finally:
        for each in conversations:
            each.close()
    return {str(each.endpoint): each.answer for each in conversations if each.answer is not None}


class Awaited:
    """Endpoints that are to answer as they did before. wanted: {endpoint: answer}."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.answered = set()
        self._open = {}
        self._not_before = {}

    def look(self):
        """Whether all have answered by now; each is asked by one connection at a time, held until it is answered."""
        end = time.monotonic() + _MOMENT
        while True:
            for endpoint, answer in self.wanted.items():
                if endpoint not in self.answered:
                    self._look_at(endpoint, RANKS.get(answer, 0))
            if not self._open or time.monotonic() >= end:
                return len(self.answered) == len(self.wanted)
            _wait(self._open.values(), end)

    def _look_at(self, endpoint, rank):
        now = time.monotonic()
        talk = self._open.get(endpoint)
        if talk is not None and now - talk.since > talk.patience:
            talk.close()
            talk = None
        if talk is None:
            if now < self._not_before.get(endpoint, 0):
                return
            talk = self._open[endpoint] = _Conversation(endpoint)
        talk.step()
        if talk.answer is None or RANKS.get(talk.answer, 0) >= rank:
            # what cannot be asked here any more, as an address that has moved, is awaited from nobody
            talk.close()
            self.answered.add(endpoint)
        if talk.over:
            del self._open[endpoint]
            # a connection that is closed counts for MySQL, one that is refused for nobody
            self._not_before[endpoint] = now + (0 if talk.answer == "refused" else _AGAIN)

    @property
    def reachable(self):
        """Whether all of their network namespaces are still there."""
        return all(not endpoint.path or os.path.exists(endpoint.path) for endpoint in self.wanted)

    def silent(self):
        """Those that have not answered yet."""
        return [endpoint for endpoint in self.wanted if endpoint not in self.answered]

    def close(self):
        for talk in self._open.values():
            talk.close()
        self._open = {}


def knock_from(endpoint):
    """One empty datagram from a UDP port of ours, for the counters of those who drop what goes out from it."""
    def send():
        # its own socket has the port, so a raw one speaks for it
        with socket.socket(endpoint.family, socket.SOCK_RAW, socket.IPPROTO_UDP) as channel:
            channel.setblocking(False)
            channel.bind((endpoint.address, 0))
            channel.sendto(struct.pack("!HHHH", endpoint.port, _DISCARD, 8, 0), (endpoint.address, 0))

    try:
        endpoint.within(send)
    except (OSError, FaultlineError):
        # a rule that drops it may say so
        pass
