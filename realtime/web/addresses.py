"""Owns the names and addresses of this machine: which of them a server answers to, and which people are told."""

import socket
from ipaddress import ip_address

import psutil

ANY = ("0.0.0.0", "::")
_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


def is_loopback(bind: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"


def hosts_of(bind: str, port: int) -> frozenset[str]:
    """What `Host` may say of a server that listens on an address: its own names and addresses."""
    if is_loopback(bind):
        names = {*_LOOPBACK_NAMES, bind}
    elif bind in ANY:
        names = {"localhost", socket.gethostname(), socket.getfqdn(), *_own_addresses()}
    else:
        names = {bind}
    bracketed = {_bracketed(name).lower() for name in names}
    with_port = {f"{name}:{port}" for name in bracketed}
    return frozenset(with_port | bracketed if port in (80, 443) else with_port)


def reachable_as(bind: str, address: str) -> list[str]:
    """What can be written into an address bar to reach a server, from this machine first, then from others.

    Args:
        bind: what it was told to listen on.
        address: what its socket says of that.
    """
    if is_loopback(bind):
        return [_bracketed(address)]
    if bind not in ANY:
        return [_bracketed(bind)]
    found = [each for each in _own_addresses() if bind == "::" or ":" not in each]
    others = [each for each in found if not (ip_address(each).is_loopback or ip_address(each).is_link_local)]
    others.sort(key=lambda each: (":" in each, each))
    names = [name for name in (socket.gethostname(),) if _leads_to(name, others)]
    own = "::1" if bind == "::" and not socket.has_dualstack_ipv6() else "127.0.0.1"
    return [_bracketed(each) for each in (own, *others, *names)]


def is_this_machine(client: str, host: str) -> bool:
    """Whether a request came from this machine itself, for a name that means only this machine.

    Args:
        client: the address that it came from.
        host: its header `Host`; a tunnel or a proxy beside the server has another one, usually.
    """
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    return is_loopback(client.removeprefix("::ffff:")) and is_loopback(name.strip("[]"))


def _own_addresses() -> list[str]:
    found = [each for interface in psutil.net_if_addrs().values() for each in interface]
    return [a.address.partition("%")[0] for a in found if a.family in (socket.AF_INET, socket.AF_INET6)]


def _leads_to(name: str, addresses: list[str]) -> bool:
    """Whether this machine's own name is known as one of its addresses that others reach."""
    try:
        return any(info[4][0] in addresses for info in socket.getaddrinfo(name, None))
    except OSError:
        return False


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name
