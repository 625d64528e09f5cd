"""W1 in plain Python: what parsing its lines costs, and what its features cost with deques.

python3 benches/w1/reference.py FILE.jsonl

Prints CPU time (user + system) in ns an event of each: `orjson`, every line parsed, and `deques`, the
twelve features of w1.toml computed over one deque a card and window, in the order of event time.
"""

import heapq
import os
import sys
from collections import Counter, deque

import orjson

OUT_OF_ORDERNESS_MS = 5_000
WINDOWS_MS = (60_000, 300_000, 1_800_000, 86_400_000)


class Card:
    """What is inside of each window of one card."""

    __slots__ = ("windows", "total", "largest", "countries", "addresses", "declined", "merchants", "devices")

    def __init__(self):
        self.windows = [deque() for _ in WINDOWS_MS]
        self.total = 0.0
        self.largest = deque()
        self.countries, self.addresses = Counter(), Counter()
        self.merchants, self.devices = Counter(), Counter()
        self.declined = 0

    def enter(self, event):
        for window in self.windows:
            window.append(event)
        _, _, amount, merchant, country, device, address, status = event
        self.total += amount
        while self.largest and self.largest[-1][2] <= amount:
            self.largest.pop()
        self.largest.append(event)
        self.countries[country] += 1
        self.addresses[address] += 1
        self.declined += status == "declined"
        self.merchants[merchant] += 1
        self.devices[device] += 1

    def leave(self, now):
        minute, five, half_hour, day = self.windows
        while minute[0][0] <= now - WINDOWS_MS[0]:
            gone = minute.popleft()
            take(self.addresses, gone[6])
            self.declined -= gone[7] == "declined"
        while five[0][0] <= now - WINDOWS_MS[1]:
            gone = five.popleft()
            self.total -= gone[2]
            take(self.countries, gone[4])
            if self.largest[0] is gone:
                self.largest.popleft()
        while half_hour[0][0] <= now - WINDOWS_MS[2]:
            half_hour.popleft()
        while day[0][0] <= now - WINDOWS_MS[3]:
            gone = day.popleft()
            take(self.merchants, gone[3])
            take(self.devices, gone[5])

    def features(self):
        minute, five, half_hour, day = map(len, self.windows)
        return (
            minute,
            five,
            half_hour,
            day,
            self.total,
            self.total / five,
            self.largest[0][2],
            len(self.countries),
            self.declined,
            len(self.addresses),
            len(self.merchants),
            len(self.devices),
        )


def take(counts, value):
    """One fewer, and none at all where none is left."""
    if counts[value] == 1:
        del counts[value]
    else:
        counts[value] -= 1


def cpu_ns():
    times = os.times()
    return (times.user + times.system) * 1e9


def parse(path):
    with open(path, "rb") as lines:
        for line in lines:
            orjson.loads(line)


def replay(path):
    cards, waiting, newest, rows = {}, [], 0, 0

    def seal(event):
        card = cards.get(event[1][1])
        if card is None:
            card = cards[event[1][1]] = Card()
        fields = event[1]
        card.enter((event[0], *fields[1:]))
        card.leave(event[0])
        card.features()

    with open(path, "rb") as lines:
        for number, line in enumerate(lines):
            r = orjson.loads(line)
            at = r["timestamp"]
            fields = (
                number,
                r["card_id"],
                r["amount"],
                r.get("merchant_id"),
                r.get("country"),
                r.get("device_id"),
                r.get("ip_address"),
                r.get("status"),
            )
            heapq.heappush(waiting, (at, fields))
            newest = max(newest, at)
            while waiting and waiting[0][0] < newest - OUT_OF_ORDERNESS_MS:
                seal(heapq.heappop(waiting))
                rows += 1
    while waiting:
        seal(heapq.heappop(waiting))
        rows += 1
    return rows


def main():
    path = sys.argv[1]
    began = cpu_ns()
    parse(path)
    parsed = cpu_ns()
    rows = replay(path)
    replayed = cpu_ns()
    print(f"orjson {(parsed - began) / rows:.0f}")
    print(f"deques {(replayed - parsed) / rows:.0f}")


if __name__ == "__main__":
    main()
