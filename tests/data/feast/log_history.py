"""Asks a repository with tidemark_offline.py what features were, for tests, in a folder with in.jsonl and repo.

    python log_history.py repeat           puts rows of spine.csv there twice, and all in another order
    python log_history.py same VIEW=KEY..  compares answers about spine.csv with expected.parquet and the events
    python log_history.py others           what else a store is asked
    python log_history.py refused          how questions are refused, a line each
"""

import bisect
import collections
import datetime
import decimal
import json
import random
import sys
import warnings

warnings.simplefilter("ignore")
sys.path.insert(0, "repo")

MINUTE = 60_000
DAY = 1_440 * MINUTE
EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)


def repeat():
    header, *rows = open("spine.csv").read().splitlines()
    order = random.Random(9)
    rows += order.sample(rows, len(rows) // 8)
    order.shuffle(rows)
    open("spine.csv", "w").write("\n".join([header, *rows]) + "\n")


def read_spine():
    import pandas

    spine = pandas.read_csv("spine.csv", dtype={"event_timestamp": "int64"}, keep_default_na=False, na_values=[""])
    ms = spine["event_timestamp"].tolist()
    spine["event_timestamp"] = pandas.to_datetime(ms, unit="ms", utc=True)
    spine["label"] = range(len(spine))
    return spine, ms


def iso(ms, at):
    """Three ways to write one time."""
    zone = datetime.timezone(datetime.timedelta(hours=(at % 3) * 5))
    time = (EPOCH + datetime.timedelta(milliseconds=ms)).astimezone(zone)
    text = time.isoformat(sep=" " if at % 2 else "T", timespec="milliseconds")
    return text.removesuffix("+00:00")


def spines(spine, ms):
    """The same spine in all forms of times."""
    import pandas

    yield "UTC", spine
    column = "event_timestamp"
    yield "no zone", spine.assign(**{column: spine[column].dt.tz_localize(None)})
    yield "Kolkata, microseconds", spine.assign(**{column: spine[column].dt.tz_convert("Asia/Kolkata").dt.as_unit("us")})
    yield "texts", spine.assign(**{column: [iso(t, at) for at, t in enumerate(ms)]})
    objects = [t if at % 2 else t.to_pydatetime() for at, t in enumerate(spine[column])]
    # What is finer than a millisecond is cut off; the index says nothing.
    objects = [t + datetime.timedelta(microseconds=999) for t in objects]
    yield "objects", spine.assign(**{column: pandas.Series(objects, dtype=object)}).set_index("label", drop=False)


class Events:
    """What features are by their definitions, without the engine."""

    def __init__(self, key):
        self.of = collections.defaultdict(list)
        for line in open("in.jsonl"):
            event = json.loads(line, parse_float=decimal.Decimal)
            if event.get(key) is not None:
                self.of[event[key]].append(event)
        for events in self.of.values():
            events.sort(key=lambda event: event["timestamp"])
        self.times = {id: [event["timestamp"] for event in events] for id, events in self.of.items()}

    def window(self, id, t, length):
        times = self.times.get(id, [])
        low, high = bisect.bisect_right(times, t - length), bisect.bisect_right(times, t)
        return self.of[id][low:high] if times else []

    def session(self, id, t):
        """Around the latest event with gaps of at most half an hour."""
        events, last = [], t
        for event in reversed(self.window(id, t, t + 1)):
            if last - event["timestamp"] > 30 * MINUTE:
                break
            last = event["timestamp"]
            events.insert(0, event)
        return events


def by_definition(view, events, id, t):
    """Some features of a view, at a time."""
    if view in ("transaction_stats_5m", "user_transaction_stats_5m"):
        newest = events.window(id, t, 5 * MINUTE)
        amounts = [event["amount"] for event in newest]
        return {
            "txn_count_5m": len(newest),
            "txn_count_30m": len(events.window(id, t, 30 * MINUTE)),
            "txn_count_24h": len(events.window(id, t, DAY)),
            "amount_sum_5m": float(sum(amounts)),
            "amount_max_5m": float(max(amounts)) if amounts else None,
            "unique_countries_5m": len({event.get("country") for event in newest} - {None}),
        }
    if view in ("merchant_stats", "device_stats", "ip_stats"):
        hour = events.window(id, t, 60 * MINUTE)
        return {"txn_count_1h": len(hour), "cards_1h": len({event["card_id"] for event in hour})}
    if view == "user_engagement_5m":
        session = [event["event_type"] for event in events.session(id, t)]
        return {"pages_per_session": session.count("page_view"), "cart_adds_session": session.count("cart_add")}
    if view == "session_stats":
        session = [event["event_type"] for event in events.session(id, t)]
        return {"events": len(session), "purchases": session.count("purchase")}
    return {}


def is_same(own, there):
    if own is None or there is None:
        return own is there
    return own == there and isinstance(own, bool) == isinstance(there, bool)


def same(views):
    import pyarrow.parquet
    from feast import FeatureStore

    store = FeatureStore("repo")
    spine, ms = read_spine()
    expected = pyarrow.parquet.read_table("expected.parquet").to_pydict()
    features = [f"{v.name}:{f.name}" for view in views for v in [store.get_feature_view(view)] for f in v.features]
    names = [feature.replace(":", "__") for feature in features]
    values = 0
    for form, asked in spines(spine, ms):
        before = asked.copy(deep=True)
        job = store.get_historical_features(entity_df=asked, features=features, full_feature_names=True)
        frame = job.to_df()
        assert asked.equals(before), form
        assert list(frame.columns) == [*spine.columns, *names], (form, list(frame.columns))
        assert frame["label"].tolist() == list(range(len(spine))), form
        assert str(frame["event_timestamp"].dtype).endswith(", UTC]"), frame["event_timestamp"].dtype
        cut = frame["event_timestamp"].dt.floor("ms")
        assert (cut == spine["event_timestamp"]).all(), (form, asked[cut != spine["event_timestamp"]])
        for name in spine.columns.drop("event_timestamp"):
            assert frame[name].equals(spine[name]), (form, name)
        if form != "UTC":
            assert frame[names].equals(first[names]), form
            continue
        first = frame
        told = job.to_arrow()
        for name in names:
            view, feature = name.split("__")
            declared = next(f for f in store.get_feature_view(view).features if f.name == feature)
            kind = {"Int64": "int64", "Float64": "double", "Bool": "bool", "String": "string"}[str(declared.dtype)]
            assert str(told[name].type) == kind, (name, told[name].type)
            for row, (own, there) in enumerate(zip(told[name].to_pylist(), expected[name], strict=True)):
                if hasattr(there, "timestamp"):
                    there = round(there.timestamp() * 1000)
                assert is_same(own, there), (name, row, own, there)
                values += 1
    defined = 0
    for told in sys.argv[2:]:
        view, key = told.split("=")
        events = Events(key)
        for row, (id, t) in enumerate(zip(spine[key], ms)):
            for feature, value in ({} if id != id else by_definition(view, events, id, t)).items():
                own = expected[f"{view}__{feature}"][row]
                assert own == value or isinstance(value, float) and abs(own - value) < 1e-9, (view, feature, row, own, value)
                defined += 1
    print(len(spine), values, defined)


def others():
    """A service, a part of the spine, what is computed on demand, one entity by two columns, a saved set."""
    import pandas
    import pyarrow.parquet
    from feast import FeatureService, FeatureStore, Field
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
    from feast.on_demand_feature_view import on_demand_feature_view
    from feast.types import Float64

    store = FeatureStore("repo")
    spine, _ = read_spine()
    spine = spine[: len(spine) // 2]
    expected = pyarrow.parquet.read_table("expected.parquet").to_pandas()[: len(spine)]
    service = store.get_feature_service("fraud_detection")
    job = store.get_historical_features(entity_df=spine, features=service)
    frame = job.to_df()
    names = [f"{view.name}__{f.name}" for view in service.feature_view_projections for f in view.features]
    assert [*frame.columns[len(spine.columns) :]] == [name.split("__")[1] for name in names]
    frame.columns = [*spine.columns, *names]
    assert frame[names].equals(expected[names]) and len(names) > 15
    assert job.metadata.min_event_timestamp <= job.metadata.max_event_timestamp

    stats = store.get_feature_view("transaction_stats_5m")

    @on_demand_feature_view(sources=[stats], schema=[Field(name="share", dtype=Float64)], mode="pandas")
    def shares(rows: pandas.DataFrame) -> pandas.DataFrame:
        return pandas.DataFrame({"share": rows["txn_count_5m"] / rows["txn_count_24h"].clip(lower=1)})

    of = [("of_sender", "card_id"), ("of_receiver", "receiver")]
    views = [stats.with_name(name).with_join_key_map({"card_id": key}) for name, key in of]
    pair = FeatureService(name="pair", features=[view[["txn_count_24h"]] for view in views])
    store.apply([shares, pair])
    frame = store.get_historical_features(
        entity_df=spine, features=["shares:share", "transaction_stats_5m:txn_count_24h"]
    ).to_df()
    share = expected["transaction_stats_5m__txn_count_5m"] / expected["transaction_stats_5m__txn_count_24h"].clip(lower=1)
    assert (frame["share"] == share).all() and share.sum() > 0
    receivers = spine["card_id"].sample(frac=1, random_state=1).tolist()
    frame = store.get_historical_features(
        entity_df=spine.assign(receiver=receivers), features=store.get_feature_service("pair"), full_feature_names=True
    ).to_df()
    assert frame["of_sender__txn_count_24h"].equals(expected["transaction_stats_5m__txn_count_24h"])
    of_receiver = store.get_historical_features(
        entity_df=spine.assign(card_id=receivers), features=["transaction_stats_5m:txn_count_24h"]
    ).to_df()["txn_count_24h"]
    assert frame["of_receiver__txn_count_24h"].equals(of_receiver)

    saved = store.create_saved_dataset(job, "training", SavedDatasetFileStorage(path="training.parquet"))
    assert saved.to_df().equals(job.to_df())
    again = store.get_saved_dataset("training").to_df()
    assert again["label"].tolist() == frame["label"].tolist()
    nothing = store.get_historical_features(entity_df=spine[:0], features=service).to_df()
    assert len(nothing) == 0 and len(nothing.columns) == len(spine.columns) + len(names)
    print("done")


def refused():
    import pathlib

    import pandas
    from feast import FeatureStore

    store = FeatureStore("repo")
    spine = pandas.DataFrame({"card_id": ["a"], "event_timestamp": ["2026-01-05T00:00:00Z"]})
    settings = pathlib.Path("repo/feature_store.yaml")
    text = settings.read_text()

    def say(what, ask):
        try:
            ask()
        except Exception as error:
            print(json.dumps([what, type(error).__name__, str(error)]))
        else:
            print(json.dumps([what, "", ""]))

    def history(of=store, **words):
        features = ["transaction_stats_5m:txn_count_5m"]
        of.get_historical_features(**{"entity_df": spine, "features": features, **words}).to_df()

    def changed(old, new):
        assert old in text
        settings.write_text(text.replace(old, new))
        history(FeatureStore("repo"))

    say("sql", lambda: history(entity_df="select card_id, event_timestamp from spine"))
    say("span", lambda: history(entity_df=None, start_date=datetime.datetime(2026, 1, 1)))
    say("no key", lambda: history(entity_df=spine[["event_timestamp"]]))
    say("label", lambda: history(entity_df=spine.assign(txn_count_5m=1)))
    say("numbers", lambda: history(entity_df=spine.assign(event_timestamp=1767571200000)))
    say("no time", lambda: history(entity_df=spine.assign(event_timestamp=None)))
    say("float", lambda: history(entity_df=spine.assign(card_id=1.5)))
    say("known", lambda: history(filter_by_created_timestamp=True))
    say("1969", lambda: history(entity_df=spine.assign(event_timestamp="1969-12-31T23:59:59Z")))
    say("program", lambda: changed("  job:", "  program: no_such_program\n  job:"))
    say("job", lambda: changed('job: "fraud"', 'job: "other.toml"'))
    say("file", lambda: changed("in.jsonl", "out.jsonl"))
    say("pattern", lambda: changed("in.jsonl", "out*.jsonl"))
    say("lag", lambda: changed("  sources:", "  known: arrived\n  sources:"))
    say("setting", lambda: changed("  sources:", "  colour: red\n  sources:"))
    settings.write_text(text)
    row = spine.assign(txn_count_5m=1, created=pandas.Timestamp("2026-01-05", tz="UTC"))
    say("push", lambda: store.write_to_offline_store("transaction_stats_5m", row))


if __name__ == "__main__":
    what, *more = sys.argv[1:]
    if what == "same":
        same([view.split("=")[0] for view in more])
    else:
        {"repeat": repeat, "others": others, "refused": refused}[what]()
