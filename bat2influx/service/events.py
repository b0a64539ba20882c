"""The events in the journal, each with its id.

An entry has the id as MESSAGE_ID. `journalctl -x` uses it to find the explanation in
systemd/bat2influx.catalog, and programs use it to find the event whatever its text.

Rules: an event has the name of its Trouble's `cause`, or of what happened if there is no Trouble.
An id is random (`systemd-id128 new`), never changes, and is never used for another event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

MESSAGE_IDS: Mapping[str, str] = MappingProxyType(
    {
        # the connection to the device
        "name": "e821e510a6124b0dac06cd2d95b5519a",
        "refused": "aebebe055cf74ebc99d6215db5df49d9",
        "unreachable": "6428ca855de54533ab8bea874f1d1807",
        "protocol": "7f353d3b5584489e91afb21aa90e5bcb",
        "closed": "ea652ee5974f488db255ca76ef7e740a",
        "packet": "d0a1139d625e46e1a6c64f5b7f340bf8",
        "not taking": "901bc5efd7234b268af30f3c4c6dce57",
        "login": "bb5d2da1d92849be81ce8c90be899d54",
        "connack": "07fb1f97f1914a88aed414b8733d5fa6",
        "subscription refused": "49e06d22dd2e4de09540af3f6a5de0b7",
        "publish refused": "600844470f1949e59339f1f19714276c",
        "only tls": "7f9a19a0e28248a1879e8d217e235867",
        "no tls port": "2236332db04d4979a3792c7c294a5b39",
        "tls wanted": "296460adf451411d93297607e8dd2130",
        "no tls": "3c7fa5dc83354f63b93866a2276be7a3",
        "tls version": "392cc056f2ad4e2ea9ea565a50a65b62",
        "tls": "4058373fe4da4f9eb0e793beee068c9d",
        "certificate changed": "1ea9d0348a4543f99ce9432a9544503a",
        "certificate untrusted": "3a6b29bcd6424048aec6d273dd65dff3",
        "certificate name": "6c95d8f538ba4d24bb354f9ebe3f72a5",
        "certificate date": "a6a828b1071340289c7f4625dcbe7cbd",
        "ca file": "ad4892acec324450a036fbb568a7749f",
        # the VRM cloud
        "vrm login": "67f9bea9b0d347e8ab0c293e88210dc4",
        "vrm certificate": "9da12e6295ff4636b73e832cae4a6511",
        "vrm refused": "b46ae27daf03470b8fc60e2042c16a8c",
        # the device itself
        "reading": "559b8e3912a5441ea8a88ea7f5d6b599",
        "portal": "d8d43aa3a3b447e1b7c2eff940139f54",
        "undecided": "d465190e4e7f4c6fb6f1e5f0a822d600",
        "silent": "ba12684814b84471a872b7cf4c991f58",
        "unanswered": "ab69c84412034066ac057e2dcb10716d",
        "wrong portal": "dbf69626a019433fbbf99861ec1448ec",
        "wrong instance": "bda55926d9fb46a3853a6d11770091aa",
        "no value": "d2639c74a6584a31884f4b53457ad259",
        "no number": "7d8fb9adad6f4cfab3859902d5e8236d",
        "memory": "c4082ca5824741bdaa432ce5eb71afcd",
        "fleet": "f739296af94c489ba297c37921213f20",
        "missing": "a7274c1e3867463985d9936238c11c35",
        # the database
        "database": "a5b8dbfba1a04354acf386719807885f",
        "database slow": "470c22ccc263478abba7acb1daa7c639",
        "database login": "7d64fe9c91c745248d662e25ee32199a",
        "database right": "c56c6f8dd673408eac0ccaf2c592be57",
        "no retention policy": "95deadc2683b47079180e45d43e781dc",
        "database answer": "033296a3a8e847bbaac5646f7e7ee79e",
        "database tls": "f8461c9b42ca43899c6c2da95495cae5",
        "database certificate": "3dba7f1cd3764f5cb1972511402b2255",
        "no database": "5f3a50fdf2bf4756979b21505161564b",
        "database created": "14da52384aa34b70a3711c2d5d6443f9",
        "row refused": "f56dbd4359074283b57b82892a8b91aa",
        "growing": "1be851a6f71a405ea068ad9574592ace",
        "overflow": "8559fea9b2e2419e9059490a23e97a81",
        "refused dropped": "001033e25f3147fe913071912b6d9cae",
        "inbox overflow": "fdca288df32846f4b22086582b487263",
        # the queue on disk
        "waiting on disk": "aa64b7ba3c564d47a05226bcf2847b59",
        "disk fault": "808797e7a99c40449dacc83e98a32bfc",
        "retried": "7a4cdb2b338948df8747e21f2c8ef4b7",
        # the clock
        "clock awaited": "0b154a952ef84c2b9525c21a1e55bfd3",
        "clock right": "edddc3ed4e2c40fcb414972264358b65",
        "clock set": "e91d0fedd8f44d17b3c406217bcbd58d",
        "clock followed": "1364ec48fb694a1e908757a6457f2039",
        "clock own": "81095c8d98ed46e4a9bf1e3c80b6d284",
        # the daemon
        "recovered": "526e88a0f3974081a3d43619acb0d553",
        "bad configuration": "42066692153143c2abe81973cb16f6df",
        "reloaded": "700b93d2b5e2401e88bfc532b2370b53",
        "reload refused": "a652dc77ccec4dd69c5b8fd2da11eed5",
        "owner": "e7e20c014db947a9becd7cef4047666d",
        "stopped": "aabe328c61624b1fbf34370832477943",
        "values lost": "7159423b8d3c4abe9c4bc4a14f89259c",
        "textfile": "32e3dfa1cb69442581de8d386db50bf3",
        "internal error": "7289e12e8af8446ea3a486f241f28205",
    }
)
_STATUS = re.compile("database [0-9]+")  # of HTTP


def message_id(event: str) -> str | None:
    """Return the id of an event or a `cause`, without its part after a colon; None if unknown."""
    name = event.partition(":")[0]
    if _STATUS.fullmatch(name):
        name = "database answer"
    elif name.startswith("disk "):
        name = "disk fault"
    return MESSAGE_IDS.get(name)
