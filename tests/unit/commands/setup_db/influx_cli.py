#!/usr/bin/python3 -IS
"""A stand-in for InfluxDB 2's command influx: buckets, mappings, tokens, tasks and queries.

What there is stands in the file that INFLUX_STATE names, and what was asked in its list `log`.
It is started often: what takes time to import is not imported, hence marshal.
It keeps the rules of the server that matter here: the first mapping of a database is its default
one whatever is asked for, a bucket has a virtual mapping by its name, and nothing has a name twice
but tasks and tokens. It reads the options that the script uses, and no others.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OPTIONS = {"--hide-headers": 0, "--default": 0, "--raw": 0}

if TYPE_CHECKING:
    Row = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Carry one command out; return the exit code."""
    with open(os.environ["INFLUX_STATE"], "rb") as file:  # noqa: PTH123 - see above
        state: dict[str, Any] = marshal.load(file)
    words = [each for each in arguments[:3] if not each.startswith("-")]
    command, given = " ".join(words), _options(arguments[len(words) :])
    state["log"].append([command, given])
    _keep(state)
    if command == state.get("fails"):
        print("Error: not now", file=sys.stderr)
        return 1
    lines = COMMANDS[command](state, given)
    _keep(state)
    print("".join(f"{line}\n" for line in lines), end="")
    return 0


def _keep(state: dict[str, Any]) -> None:
    with open(os.environ["INFLUX_STATE"], "wb") as file:  # noqa: PTH123
        marshal.dump(state, file)


def _options(arguments: list[str]) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    left = iter(arguments)
    for option in left:
        value = [] if option in OPTIONS else [next(left)]
        given.setdefault(option, []).extend(value)
    if given.get("--file"):
        with open(given["--file"][0], encoding="utf-8") as file:  # noqa: PTH123
            given["text"] = [file.read()]
    return given


def _new(state: dict[str, Any]) -> str:
    state["ids"] += 1
    return f"{state['ids']:016x}"


def _row(*cells: str) -> str:
    return "\t\t".join(cells)  # a column is as wide as its widest cell, in tabs


def _bucket_list(state: dict[str, Any], _: Row) -> list[str]:
    return [_row(id_, b["name"], b["retention"]) for id_, b in state["buckets"].items()]


def _bucket_create(state: dict[str, Any], given: Row) -> list[str]:
    name, retention = given["--name"][0], given["--retention"][0]
    assert name not in [each["name"] for each in state["buckets"].values()]
    state["buckets"][_new(state)] = {"name": name, "retention": retention}
    return ["created"]


def _bucket_update(state: dict[str, Any], given: Row) -> list[str]:
    state["buckets"][given["--id"][0]]["retention"] = given["--retention"][0]
    return ["updated"]


def _dbrp_list(state: dict[str, Any], given: Row) -> list[str]:
    lines, virtual = [], []
    rp = given.get("--rp", [None])[0]
    for mapping in state["mappings"]:
        if mapping["db"] == given["--db"][0] and rp in (None, mapping["rp"]):
            default = "true" if mapping["default"] else "false"
            if "--default" not in given or mapping["default"]:
                lines.append(
                    _row(mapping["id"], mapping["db"], mapping["bucket"], mapping["rp"], default)
                )
    for id_, bucket in state["buckets"].items():
        db, _, policy = bucket["name"].partition("/")
        if db == given["--db"][0] and rp in (None, policy or "autogen"):
            virtual.append(_row(id_, db, id_, policy or "autogen", "true"))
    return [*lines, "", "VIRTUAL DBRP MAPPINGS (READ-ONLY)", "-" * 34, *virtual]


def _dbrp_create(state: dict[str, Any], given: Row) -> list[str]:
    db, rp, bucket = (given[key][0] for key in ("--db", "--rp", "--bucket-id"))
    assert bucket in state["buckets"]
    own = [each for each in state["mappings"] if each["db"] == db]
    assert rp not in [each["rp"] for each in own]
    made = {"id": _new(state), "db": db, "rp": rp, "bucket": bucket, "default": not own}
    state["mappings"].append(made)
    return ["mapped"]


def _auth_list(state: dict[str, Any], _: Row) -> list[str]:
    return [_row(each["id"], each["description"], "secret") for each in state["tokens"]]


def _auth_create(state: dict[str, Any], given: Row) -> list[str]:
    read, write = given.get("--read-bucket", []), given.get("--write-bucket", [])
    description = given["--description"][0]
    state["tokens"].append(
        {"id": _new(state), "description": description, "read": read, "write": write}
    )
    return ["a token"]


def _task_list(state: dict[str, Any], _: Row) -> list[str]:
    return [_row(id_, task["name"]) for id_, task in state["tasks"].items()]


def _task_create(state: dict[str, Any], given: Row) -> list[str]:
    flux = given["text"][0]
    literal = flux.split('name: "', 1)[1].split('", every', 1)[0]
    name = literal.replace("\\${", "${").replace('\\"', '"')
    state["tasks"][_new(state)] = {"name": name, "flux": flux}
    return ["a task"]


def _task_update(state: dict[str, Any], given: Row) -> list[str]:
    state["tasks"][given["--id"][0]]["flux"] = given["text"][0]
    return ["another task"]


def _query(state: dict[str, Any], given: Row) -> list[str]:
    if "first()" not in given["text"][0] or state["first"] is None:
        return ["\r"]
    kinds = ["#group,false,false,false", "#datatype,string,long,long", "#default,_result,,"]
    return [f"{line}\r" for line in (*kinds, ",result,table,first", f",_result,0,{state['first']}")]


COMMANDS = {
    "bucket list": _bucket_list,
    "bucket create": _bucket_create,
    "bucket update": _bucket_update,
    "v1 dbrp list": _dbrp_list,
    "v1 dbrp create": _dbrp_create,
    "auth list": _auth_list,
    "auth create": _auth_create,
    "task list": _task_list,
    "task create": _task_create,
    "task update": _task_update,
    "query": _query,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
