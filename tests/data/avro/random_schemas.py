"""Makes random.jsonl beside it: random schemas and events in container files of an implementation that is not ours, and
the same events as JSON, as a job with the fields named has to see them.

    pip install fastavro==1.13.1 cramjam backports.zstd && python random_schemas.py [CASES [SEED [FILE]]]

The same versions, numbers and seeds give the same bytes. A line is a case: the fields (`path`, `aliases`, `type`, whether
`required`), the container in hexadecimal digits, and a record of JSON for each of its events; an event that is not one for
these fields has `[]` or `1e999` at the place that makes it malformed. `refused` says that no event of the schema can be one.
"""

import decimal
import io
import json
import pathlib
import random
import struct
import sys
import uuid

import fastavro

START_MS = 1_767_225_600_000
SYNC = bytes(range(16))
PER_MS = {"millis": 1, "micros": 1_000, "nanos": 1_000_000}
NAMES = ["a", "b", "c", "n"]
TYPES = ["string", "int", "decimal", "double", "bool", "timestamp", "ip"]
NUMBERS = ["int", "decimal", "double"]
TEXTS = ["10.0.0.1", "::2", "Österreich", "", "x\ty\"z", "2026-01-01"]


class Raw(str):
    """JSON text as it is."""


def dump(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(key) + ":" + dump(value[key]) for key in value) + "}"
    return json.dumps(value, ensure_ascii=False)


def shortest_float(value):
    """The shortest text that is the same in 32 bits."""
    for digits in range(1, 10):
        text = "%.*g" % (digits, value)
        if struct.pack("<f", float(text)) == struct.pack("<f", value):
            return text
    raise ValueError(value)


class Schema:
    """A random schema: nodes are dicts with the kind `k`; `json` of a node is how it is written at this place."""

    def __init__(self, rng):
        self.rng = rng
        self.named = []
        self.count = 0

    def name(self, space):
        """A new name: how it is written, its full name and the namespace inside."""
        self.count += 1
        short = "T%d" % self.count
        style = self.rng.random()
        if style < 0.6:
            return {"name": short}, (space + "." if space else "") + short, space
        other = self.rng.choice(["shop", "shop.eu"])
        full = (other + "." if other else "") + short
        if style < 0.8 and other:
            return {"name": full}, full, other
        return {"name": short, "namespace": other}, full, other

    def primitive(self):
        rng = self.rng
        logical = lambda ty, name: ({"type": ty, "logicalType": name}, {"k": ty, "logical": name})
        choices = [
            lambda: ("null", {"k": "null"}),
            lambda: ("boolean", {"k": "boolean"}),
            lambda: ("int", {"k": "int"}),
            lambda: ("long", {"k": "long"}),
            lambda: ("float", {"k": "float"}),
            lambda: ("double", {"k": "double"}),
            lambda: ("string", {"k": "string"}),
            lambda: ("bytes", {"k": "bytes"}),
            lambda: logical("int", "date"),
            lambda: logical("int", "time-millis"),
            lambda: logical("long", "time-micros"),
            lambda: logical("long", rng.choice(["", "local-"]) + "timestamp-" + rng.choice(["millis", "micros", "nanos"])),
            lambda: logical("string", "uuid"),
            lambda: logical("long", "unheard-of"),
        ]
        if rng.random() < 0.2:
            precision = rng.randint(1, 28)
            scale = rng.randint(0, precision)
            text = {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
            return text, {"k": "bytes", "logical": "decimal", "precision": precision, "scale": scale}
        text, node = rng.choice(choices)()
        if isinstance(text, str) and rng.random() < 0.1:
            text = {"type": text, "doc": "as it is"}
        return text, node

    def fixed(self, space):
        written, full, _ = self.name(space)
        kind = self.rng.random()
        text = {"type": "fixed", **written}
        node = {"k": "fixed", "full": full}
        if kind < 0.5:
            size = self.rng.randint(1, 14)
            precision = max(1, int((8 * size - 1) * 0.30103))
            scale = self.rng.randint(0, precision)
            more = {"size": size, "logicalType": "decimal", "precision": precision, "scale": scale}
            node |= {"logical": "decimal", "precision": precision, "scale": scale}
        elif kind < 0.7:
            more = {"size": 16, "logicalType": "uuid"}
            node |= {"logical": "uuid"}
        else:
            more = {"size": self.rng.randint(0, 5)}
        node["size"] = more["size"]
        self.named.append(node)
        return text | more, node

    def enum(self, space):
        written, full, _ = self.name(space)
        symbols = ["S%d" % n for n in range(self.rng.randint(1, 4))]
        node = {"k": "enum", "full": full, "symbols": symbols}
        self.named.append(node)
        return {"type": "enum", **written, "symbols": symbols, "default": symbols[0]}, node

    def record(self, depth, space, ts=False):
        written, full, inside = self.name(space)
        node = {"k": "record", "full": full, "fields": []}
        text = {"type": "record", **written, "fields": []}
        names = [name for name in NAMES if self.rng.random() < 0.75]
        self.rng.shuffle(names)
        if ts:
            names.insert(self.rng.randint(0, len(names)), "ts")
        elif self.rng.random() < 0.25:
            names.append("next")
        # Named from its first field on: later ones may be of its own type.
        self.named.append(node | {"open": True})
        mine = self.named[-1]
        for name in names:
            if name == "ts":
                field_text, field = self.time()
            elif name == "next":
                short = full if self.rng.random() < 0.5 or "." not in full else full.rsplit(".", 1)[1]
                field_text, field = ["null", short], {"k": "union", "of": [{"k": "null"}, node]}
                if self.rng.random() < 0.4:
                    field_text, field = {"type": "array", "items": short}, {"k": "array", "of": node}
            else:
                field_text, field = self.type(depth, inside)
            more = {"aliases": ["was_" + name]} if self.rng.random() < 0.1 else {}
            text["fields"].append({"name": name, "type": field_text, **more})
            node["fields"].append((name, field))
        del mine["open"]
        mine["fields"] = node["fields"]
        return text, node

    def time(self):
        prefix = self.rng.choice(["", "local-"]) + "timestamp-"
        per_ms = self.rng.choice([1, 1_000, 1_000_000])
        name = {1: "millis", 1_000: "micros", 1_000_000: "nanos"}[per_ms]
        text = {"type": "long", "logicalType": prefix + name}
        if per_ms == 1 and self.rng.random() < 0.5:
            text = "long"
        node = {"k": "long", "time": per_ms}
        if self.rng.random() < 0.1:
            return [text, "null"], {"k": "union", "of": [node, {"k": "null"}]}
        return text, node

    def type(self, depth, space):
        choice = self.rng.random()
        usable = [node for node in self.named if not node.get("open")]
        if usable and choice < 0.12:
            node = self.rng.choice(usable)
            full = node["full"]
            same = full.rsplit(".", 1)[0] == space if "." in full else space == ""
            # A name without a namespace can be said only where there is none around.
            if "." in full or space == "":
                return full.rsplit(".", 1)[1] if same and "." in full and self.rng.random() < 0.5 else full, node
        if choice < 0.2:
            return self.fixed(space)
        if choice < 0.26:
            return self.enum(space)
        if depth == 0 or choice < 0.55:
            return self.primitive()
        if choice < 0.62:
            text, node = self.type(depth - 1, space)
            return {"type": "array", "items": text}, {"k": "array", "of": node}
        if choice < 0.70:
            text, node = self.type(depth - 1, space)
            return {"type": "map", "values": text}, {"k": "map", "of": node}
        if choice < 0.85:
            return self.union(depth, space)
        return self.record(depth - 1, space)

    def union(self, depth, space):
        texts, nodes, kinds = [], [], set()
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            text, node = self.type(depth - 1, space)
            key = node.get("full", node["k"])
            if node["k"] == "union" or key in kinds:
                # It stays defined, and is not named before: its names must not be used.
                self.named = [known for known in self.named if not defines(text, known["full"], space)]
                continue
            kinds.add(key)
            texts.append(text)
            nodes.append(node)
        if "null" not in kinds:
            at = self.rng.randint(0, len(texts))
            texts.insert(at, "null")
            nodes.insert(at, {"k": "null"})
        return texts, {"k": "union", "of": nodes}


def defines(text, full, space):
    if isinstance(text, list):
        return any(defines(part, full, space) for part in text)
    if not isinstance(text, dict):
        return False
    name = text.get("name")
    if name is not None:
        if "." in name:
            space = name.rsplit(".", 1)[0]
            own = name
        else:
            space = text.get("namespace", space)
            own = (space + "." if space else "") + name
        if own == full:
            return True
    inner = [text.get("items"), text.get("values")] + [field["type"] for field in text.get("fields", [])]
    return any(defines(part, full, space) for part in inner if part is not None)


def branch(node):
    """How fastavro is told which branch of a union a value is of."""
    return node.get("full", node["k"])


def value(rng, node, depth=0):
    """A value for fastavro, and what it is: a pair of the type it has and its plain value."""
    kind, logical = node["k"], node.get("logical")
    if kind == "union":
        of = node["of"]
        if depth > 4 and of[0]["k"] == "null":
            of = of[:1]
        one = rng.choice(of)
        avro, plain = value(rng, one, depth + 1)
        return (None if one["k"] == "null" else (branch(one), avro)), plain
    if kind == "record":
        pairs = {name: value(rng, field, depth + 1) for name, field in node["fields"]}
        return {name: pair[0] for name, pair in pairs.items()}, (node, {name: pair[1] for name, pair in pairs.items()})
    if kind in ("array", "map"):
        count = 0 if depth > 4 else rng.choice([0, 0, 1, 2, 5])
        if kind == "array":
            return [value(rng, node["of"], depth + 1)[0] for _ in range(count)], (node, None)
        keys = rng.sample(NAMES + ["zz", "é"], count)
        pairs = {key: value(rng, node["of"], depth + 1) for key in keys}
        return {key: pair[0] for key, pair in pairs.items()}, (node, {key: pair[1] for key, pair in pairs.items()})
    if logical == "decimal":
        digits = rng.randint(1, node["precision"])
        unscaled = rng.choice([rng.randint(-(10**digits - 1), 10**digits - 1), rng.randint(-9, 9), 5 * 10 ** (digits - 1)])
        unscaled = max(-(10 ** node["precision"] - 1), min(10 ** node["precision"] - 1, unscaled))
        exact = decimal.Context(prec=60).scaleb(decimal.Decimal(unscaled), -node["scale"])
        return exact, (node, exact)
    if logical == "uuid":
        made = uuid.UUID(int=rng.getrandbits(128))
        return made.bytes if kind == "fixed" else made, (node, str(made))
    if kind == "null":
        return None, (node, None)
    if kind == "boolean":
        made = rng.random() < 0.5
    elif "time" in node:
        made = (START_MS + rng.randint(0, 10**9)) * node["time"] + rng.randint(0, node["time"] - 1)
    elif logical == "date":
        made = rng.randint(-50_000, 50_000)
    elif kind == "int":
        made = rng.choice([rng.randint(-(2**31), 2**31 - 1), rng.randint(-70, 70)])
    elif kind == "long":
        made = rng.choice([rng.randint(-(2**63) + 1, 2**63 - 1) >> rng.randint(0, 62), 2**53 + 1, -(2**63) + 1, 0, -1])
    elif kind == "float":
        made = struct.unpack("<f", struct.pack("<f", rng.choice([0.1, -0.0, 1e9, 1e-9, rng.uniform(-1e6, 1e6), float("nan"), 3e38])))[0]
    elif kind == "double":
        made = rng.choice([0.1, -0.0, 1e-7, 5e-7, 1.5e-6, 1e300, 9999999999.9999995, rng.uniform(-1e10, 1e10), float("inf")])
    elif kind == "string":
        made = rng.choice(TEXTS)
    elif kind == "bytes":
        made = rng.choice([b"", "ü".encode(), b"10.0.0.1", b"\xff\xfe"])
    elif kind == "fixed":
        made = bytes(rng.choice([97, 98, 200]) for _ in range(node["size"]))
    elif kind == "enum":
        made = rng.choice(node["symbols"])
    return made, (node, made)


def fits(node, wanted):
    """Whether a value of the type can be a field of the wanted one."""
    kind, logical = node["k"], node.get("logical", "")
    if kind == "null":
        return True
    if kind == "boolean":
        return wanted == "bool"
    if kind in ("int", "long"):
        return wanted in NUMBERS or (wanted == "timestamp" and not logical.startswith("time-"))
    if kind in ("float", "double"):
        return wanted in ("decimal", "double")
    if logical == "decimal":
        return wanted in ("decimal", "double") or (wanted == "int" and node["scale"] == 0)
    if kind == "string" and not logical:
        return wanted in ("string", "ip")
    return kind in ("string", "bytes", "fixed", "enum") and wanted == "string"


def plain_json(node, made, wanted):
    """What a record of JSON has for a field of the wanted type."""
    kind, logical = node["k"], node.get("logical", "")
    if not fits(node, wanted):
        return []
    if made is None:
        return None
    if kind in ("int", "long"):
        if wanted == "timestamp" and logical == "date":
            return made * 86_400_000
        if wanted == "timestamp" and "timestamp" in logical:
            return made // PER_MS[logical.rsplit("-", 1)[1]]
        return made
    if kind in ("float", "double"):
        if made != made or made in (float("inf"), float("-inf")):
            return Raw("1e999")
        return Raw(shortest_float(made) if kind == "float" and wanted == "decimal" else repr(made))
    if logical == "decimal":
        return Raw(format(made, "f"))
    if isinstance(made, bytes):
        try:
            return made.decode()
        except UnicodeDecodeError:
            return []
    return made


def exists(node, path):
    """Whether records of the type can have something at the path."""
    if not path:
        return True
    kind = node["k"]
    if kind == "union":
        return any(exists(one, path) for one in node["of"])
    if kind == "record":
        below = dict(node["fields"]).get(path[0])
        return below is not None and exists(below, path[1:])
    return kind == "map" and exists(node["of"], path[1:])


def unfit(node, wanted):
    """Whether no value of the type, but for a null, has what is wanted: pairs of a path and a type."""
    kind = node["k"]
    if not wanted:
        return False
    if kind == "union":
        others = [one for one in node["of"] if one["k"] != "null"]
        return bool(others) and all(unfit(one, wanted) for one in others)
    if any(not path for path, _ in wanted):
        return any(not fits(node, ty) for _, ty in wanted)
    if kind not in ("record", "map"):
        return True
    below = lambda name: dict(node["fields"]).get(name) if kind == "record" else node["of"]
    names = {path[0] for path, _ in wanted if below(path[0]) is not None}
    return any(unfit(below(name), [(path[1:], ty) for path, ty in wanted if path[0] == name]) for name in names)


def mixed(node, path):
    """Whether something else than a record or null can be on the way."""
    kind = node["k"]
    if not path:
        return False
    if kind == "union":
        others = [one for one in node["of"] if one["k"] != "null"]
        return len(others) > 1 or any(mixed(one, path) for one in others)
    if kind == "record":
        below = dict(node["fields"]).get(path[0])
        return below is not None and mixed(below, path[1:])
    return True


def look(pair, path, wanted):
    """The JSON at the path, or None if there is nothing."""
    node, made = pair
    if node["k"] == "null":
        return Raw("null")
    if not path:
        return Raw(dump(plain_json(node, made, wanted)))
    if node["k"] not in ("record", "map"):
        return Raw("[]")
    return look(made[path[0]], path[1:], wanted) if path[0] in made else None


def put(record, path, found):
    for name in path[:-1]:
        record = record.setdefault(name, {})
    record[path[-1]] = found


def fields(rng, root):
    paths = []

    def walk(node, path):
        if node["k"] == "union":
            for one in node["of"]:
                walk(one, path)
        elif node["k"] == "record" and len(path) < 4:
            for name, below in node["fields"]:
                if name != "ts":
                    walk(below, path + (name,))
        elif node["k"] == "map" and len(path) < 3 and path:
            walk(node["of"], path + (rng.choice(NAMES),))
        else:
            paths.append((path, node))

    walk(root, ())
    rng.shuffle(paths)
    made = []
    for path, node in paths:
        taken = [used for field in made for used in [field["path"]] + field["aliases"]]
        clash = lambda one: any(one[: len(used)] == used[: len(one)] for used in taken)
        if not path or len(made) == 5 or clash(list(path)):
            continue
        if node["k"] in ("array", "map", "record") and rng.random() < 0.95:
            continue
        fitting = [ty for ty in TYPES if fits(node, ty)] or TYPES
        wanted = rng.choice(fitting if rng.random() < 0.97 else TYPES)
        field = {"path": list(path), "aliases": [], "type": wanted, "required": rng.random() < 0.1}
        renamed = rng.random()
        if renamed < 0.15:
            field["path"], field["aliases"] = ["moved%d" % len(made), "to"], [list(path)]
        elif renamed < 0.3 and not mixed(root, list(path)):
            field["aliases"] = [["was%d" % len(made)]]
        made.append(field)
    if rng.random() < 0.2:
        made.append({"path": ["added"], "aliases": [], "type": rng.choice(TYPES), "required": rng.random() < 0.1})
    return made


def seen(field, pair, record):
    for path in [field["path"]] + field["aliases"]:
        found = look(pair, path, field["type"])
        if found is not None:
            # Written where the job looks first: which path it was found at is not the question.
            return put(record, field["path"], found)


def refused(wanted, root):
    paths = lambda field: [field["path"]] + field["aliases"]
    if any(field["required"] and not any(exists(root, path) for path in paths(field)) for field in wanted):
        return True
    return unfit(root, [(path, field["type"]) for field in wanted for path in paths(field)])


def case(rng):
    made = Schema(rng)
    text, root = made.record(3, "", ts=True)
    wanted = fields(rng, root)
    out, events = io.BytesIO(), []
    pairs = [value(rng, root) for _ in range(rng.randint(1, 6))]
    codec = rng.choice(["null", "deflate", "snappy", "zstandard"])
    fastavro.writer(out, text, [avro for avro, _ in pairs], codec=codec, sync_interval=rng.choice([1, 100, 16_000]), sync_marker=SYNC)
    for _, pair in pairs:
        time, at = pair[1]["ts"]
        record = {"ts": None if at is None else at // time["time"]}
        for field in wanted:
            seen(field, pair, record)
        events.append(dump(record))
    return {
        "fields": wanted,
        "refused": refused(wanted, root),
        "container": out.getvalue().hex(),
        "events": events,
    }


def main():
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 11)
    file = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else pathlib.Path(__file__).parent / "random.jsonl"
    with file.open("w") as lines:
        done = 0
        while done < cases:
            made = case(rng)
            # Long ones say nothing more.
            if len(made["container"]) < 3_000 and made["fields"]:
                lines.write(json.dumps(made, ensure_ascii=False, separators=(",", ":")) + "\n")
                done += 1


main()
