"""Makes the Avro files beside it with an implementation that is not ours, and the same events as JSON.

    pip install fastavro==1.13.1 cramjam backports.zstd && python make.py

The same versions give the same bytes. The amounts are short enough for JSON to have them exactly.
"""

import datetime
import decimal
import io
import json
import pathlib
import random
import struct
import uuid

import fastavro

HERE = pathlib.Path(__file__).parent
EVENTS = 36
START_MS = 1_767_225_600_000
SYNC = bytes(range(16))
UTC = datetime.timezone.utc

NET = {
    "type": "record",
    "name": "Net",
    "fields": [{"name": "ip", "type": ["null", "string"]}, {"name": "port", "type": "int"}],
}
ITEM = {
    "type": "record",
    "name": "Item",
    "fields": [
        {"name": "sku", "type": "string"},
        {"name": "price", "type": "double"},
        {"name": "parts", "type": {"type": "array", "items": "Item"}},
    ],
}
FIRST = {
    "type": "record",
    "name": "Payment",
    "namespace": "shop",
    "fields": [
        {"name": "items", "type": {"type": "array", "items": ITEM}},
        {"name": "card_id", "type": "string"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}},
        {"name": "country", "type": ["null", "string"]},
        {"name": "net", "type": ["null", NET]},
        {"name": "status", "type": {"type": "enum", "name": "Status", "symbols": ["approved", "declined"]}},
        {"name": "score", "type": ["float", "null"]},
        {"name": "quantity", "type": "int"},
        {"name": "chip", "type": "boolean"},
        {"name": "tags", "type": {"type": "map", "values": "string"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "seen", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
        {"name": "request", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "extra", "type": ["null", "int", "string", {"type": "array", "items": "long"}]},
    ],
}
# A field renamed, one moved, two removed, one added, three of other types.
SECOND = {
    "type": "record",
    "name": "Payment",
    "namespace": "shop",
    "fields": [
        {"name": "card", "type": "string"},
        {
            "name": "amount",
            "type": {"type": "fixed", "name": "Amount", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 7},
        },
        {"name": "ip", "type": ["string", "null"]},
        {"name": "status", "type": "string"},
        {"name": "score", "type": ["null", "double"]},
        {"name": "quantity", "type": ["int", "long"]},
        {"name": "memo", "type": ["null", "bytes"]},
        {"name": "seen", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}


def moment(us):
    return datetime.datetime.fromtimestamp(0, UTC) + datetime.timedelta(microseconds=us)


def first(rng, us):
    amount = decimal.Decimal(rng.randint(-5_000, 500_000)).scaleb(-2)
    score = rng.choice([None, struct.unpack("<f", struct.pack("<f", rng.random()))[0]])
    ip = rng.choice([None, "192.0.2.%d" % rng.randint(1, 4), "2001:db8::%x" % rng.randint(1, 4)])
    port = rng.randint(1, 65_535)
    net = rng.choice([None, {"ip": ip, "port": port}])
    seen = rng.choice([None, us // 1_000 - rng.randint(0, 10**9)])
    part = {"sku": "p", "price": 0.5, "parts": []}
    items = [{"sku": "s%d" % i, "price": i * 1.5, "parts": [part] * rng.randint(0, 2)} for i in range(rng.randint(0, 2))]
    tags = {"a": "b", "channel": rng.choice(["web", "app"])} if rng.random() < 0.7 else {}
    same = {
        "card_id": "card_%d" % rng.randint(1, 5),
        "country": rng.choice([None, "DE", "FR", "Österreich"]),
        "net": net,
        "status": rng.choice(["approved", "declined"]),
        "score": score,
        "quantity": rng.randint(-(2**31), 2**31 - 1),
        "chip": rng.random() < 0.5,
        "tags": tags,
        "request": str(uuid.UUID(int=rng.getrandbits(128))),
        "items": items,
        "extra": rng.choice([None, 7, "x", [1, 2, 3]]),
    }
    avro = same | {"amount": amount, "at": moment(us), "seen": seen and moment(seen * 1_000)}
    return avro, same | {"amount": float(amount), "at": us, "seen": seen}


def second(rng, us):
    amount = decimal.Decimal(rng.choice([5, 15, 25, -5, -15, rng.randint(0, 10**12)])).scaleb(-7)
    us -= us % 1_000
    day = rng.choice([None, us // 86_400_000_000])
    same = {
        "card": "card_%d" % rng.randint(1, 5),
        "ip": rng.choice([None, "192.0.2.9", "::ffff:192.0.2.1"]),
        "status": rng.choice(["approved", "declined", ""]),
        "score": rng.choice([None, rng.random() * 1e6]),
        "quantity": rng.randint(-(2**40), 2**40),
    }
    date = None if day is None else datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    avro = same | {"amount": amount, "at": moment(us), "seen": date, "memo": rng.choice([None, b"\xff\x00"])}
    seen = None if day is None else day * 86_400_000
    return avro, same | {"amount": float(amount), "at": us, "seen": seen}


def container(name, schema, events, codec):
    out = io.BytesIO()
    fastavro.writer(out, schema, events, codec=codec, sync_interval=1_000, sync_marker=SYNC)
    (HERE / name).write_bytes(out.getvalue())


def lines(name, events):
    text = (json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in events)
    (HERE / name).write_text("".join(line + "\n" for line in text))


def main():
    rng = random.Random(7)
    us = START_MS * 1_000
    made = {first: [], second: []}
    for make, events in made.items():
        for _ in range(EVENTS):
            us += rng.randint(0, 20_000_000)
            events.append(make(rng, us))
    for codec in ["null", "deflate", "snappy", "zstandard"]:
        container(f"first-{codec}.avro", FIRST, [avro for avro, _ in made[first]], codec)
    container("second.avro", SECOND, [avro for avro, _ in made[second]], "deflate")
    for name, events in [("first.jsonl", made[first]), ("second.jsonl", made[second])]:
        lines(name, [plain for _, plain in events])
    # Bare datums in the wire format of schema registries: FIRST is number 1, SECOND is number 2.
    wire = []
    for schema, id, events in [(FIRST, 1, made[first]), (SECOND, 2, made[second])]:
        for avro, _ in events[:4]:
            datum = io.BytesIO(b"\0" + id.to_bytes(4, "big"))
            datum.seek(5)
            fastavro.schemaless_writer(datum, schema, avro)
            wire.append(datum.getvalue().hex())
    (HERE / "wire.hex").write_text("".join(record + "\n" for record in wire))
    for name, schema in [("first.avsc", FIRST), ("second.avsc", SECOND)]:
        (HERE / name).write_text(json.dumps(schema) + "\n")


main()
