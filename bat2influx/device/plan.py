"""What is read of a device: topics to subscribe to, read requests, and what each answer is.

Pure. Portal id and instances come from discovery.py. Whether a request reaches a device, and
whether an answer arrives, is not known here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from bat2influx.reading import Origin
from bat2influx.venus import protocol
from bat2influx.venus.protocol import Field

# Victron's wiki, page "dbus": changes of these are not signalled on D-Bus, so none is notified.
NOT_NOTIFIED = re.compile("vebus/[0-9]+/Ac/.*/S")
SYSTEM = "system"  # exists exactly once, with the instance 0


class Request(NamedTuple):
    """A read request, and the topics on which its answers are expected."""

    topic: str
    answers: tuple[str, ...]
    slow: bool

    def leaves(self) -> list[Request]:
        """Return a separate request for each answer."""
        return [Request(f"R{topic[1:]}", (topic,), self.slow) for topic in self.answers]


class Series(NamedTuple):
    """The field and origin under which a topic's values are stored."""

    field: str
    origin: Origin


class Plan:
    """What to subscribe to and what to request.

    `fields` has the labels by topic, `series` the stored field by label. A label is what users see:
    the field's name, followed by the instance if a tag distinguishes several. `optional` are the
    topics whose absence is no fault, `not_notified` the requests for values that a device does not
    notify of.
    """

    def __init__(
        self,
        portal: str,
        fields: Iterable[Field],
        found: Mapping[str, Collection[int]],
        *,
        instances_of: Callable[[str], str] = lambda _: "one",
        present: Collection[str] = (),
    ) -> None:
        """`found` has the instances of each service whose fields do not name one.

        `instances_of` returns how several instances of a service are distinguished: "tag" or
        "name". Of the optional fields those in `present` (service/instance/path) are read.
        """
        self.portal = portal
        self.heartbeat = f"N/{portal}/heartbeat"
        self.completed = protocol.completed(portal)
        self.series: dict[str, Series] = {}
        self.places: dict[tuple[str, int], tuple[str, ...]] = {}  # topics by service and instance
        self._instances_of, self._present = instances_of, present
        self._found = {SYSTEM: (0,), **found}
        # Two fields may want the same path: it is requested once and stored under both names.
        labels: dict[str, list[str]] = {}
        slow: dict[str, bool] = {}
        needed: set[str] = set()
        fields = tuple(fields)
        self._alike = Counter(field.name for field in fields)  # a preset of several instances
        for field in fields:
            for leaf, label in self._leaves(field):
                labels.setdefault(leaf, []).append(label)
                slow.setdefault(leaf, field.slow)
                if not field.optional:
                    needed.add(leaf)
        self.fields = {f"N/{portal}/{leaf}": tuple(own) for leaf, own in labels.items()}
        self.optional = frozenset(f"N/{portal}/{leaf}" for leaf in labels.keys() - needed)
        for leaf in labels:
            service, instance, _ = leaf.split("/", 2)
            place = service, int(instance)
            self.places[place] = (*self.places.get(place, ()), f"N/{portal}/{leaf}")
        self.subscriptions = (*self.fields, self.heartbeat, self.completed)
        self.requests = tuple(self._requests(slow))
        self.not_notified = tuple(
            leaf
            for request in self.requests
            for leaf in request.leaves()
            if NOT_NOTIFIED.fullmatch(leaf.topic.partition(f"R/{portal}/")[2])
        )

    def _leaves(self, field: Field) -> Iterable[tuple[str, str]]:
        """Yield service/instance/path and label of each of a field's instances."""
        given = field.instance is not None
        instances = [field.instance] if given else sorted(self._found[field.service])
        for instance in instances:
            leaf = f"{field.service}/{instance}/{field.path}"
            if field.optional and leaf not in self._present:
                continue
            apart = not given and field.service != SYSTEM
            named = apart and self._instances_of(field.service) == "name"
            name = f"{field.name}_{instance}" if named else field.name
            several = len(instances) > 1 or self._alike[field.name] > 1
            label = f"{name}/{instance}" if several and not named else name
            if label in self.series:
                label = f"{label} ({leaf})"
            origin = Origin(self.portal, field.service, instance)
            self.series[label] = Series(name, origin)
            yield leaf, label

    def _requests(self, leaves: Mapping[str, bool]) -> Iterable[Request]:
        """Request sub-trees with two wanted siblings or more, never a service's root; else leaves.

        The answer to a sub-tree has everything below it. So what it covers is not requested a
        second time, and slow leaves below a fast one come with it.
        """
        children: dict[str, list[str]] = {}
        for leaf in leaves:
            children.setdefault(leaf.rpartition("/")[0], []).append(leaf)
        roots = {parent for parent, own in children.items() if len(own) > 1 and _below_root(parent)}
        asked: dict[str, list[str]] = {}
        for leaf in leaves:
            above = next((each for each in _parents(leaf) if each in roots), leaf)
            asked.setdefault(above, []).append(leaf)
        for topic, below in asked.items():
            yield Request(
                topic=f"R/{self.portal}/{topic}",
                answers=tuple(f"N/{self.portal}/{leaf}" for leaf in below),
                slow=all(leaves[leaf] for leaf in below),
            )


def _parents(leaf: str) -> Iterator[str]:
    """Yield the parents of a leaf, the service first: only a few, however many leaves there are."""
    end = leaf.find("/")
    while end >= 0:
        yield leaf[:end]
        end = leaf.find("/", end + 1)


def _below_root(parent: str) -> bool:
    return parent.count("/") >= 2  # service/instance/first part of the path
