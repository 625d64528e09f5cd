"""Reads through stock Feast for tests: a question a line of JSON on stdin, an answer a line on stdout.

    python reader.py REPO

{"features": [..] or "service": "..", "entities": [{..}, ..], "full": false, "async": false}
    gives a list with one object an entity: {"name": {"value", "type", "status", "at"}}
{"history": "view", "rows": [{..}, ..]} makes these the view's history: ids, features, event_timestamp.
{"materialize": "2026-01-01T00:00:00", "views": [..]} runs materialize_incremental up to that time.
{"chronon": true} makes each view one of Chronon's, of the same name.
An exception gives {"error": ".."}.
"""

import asyncio
import datetime
import json
import logging
import pathlib
import sys
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import pandas
from feast import FeatureStore
from feast.infra.offline_stores.contrib.chronon_offline_store.chronon_source import ChrononSource
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

store = FeatureStore(repo_path=sys.argv[1])
loop = asyncio.new_event_loop()
answers, sys.stdout = sys.stdout, sys.stderr


def native(value):
    kind = value.WhichOneof("val")
    if kind is None or kind == "null_val":
        return None, None
    return getattr(value, kind), kind.removesuffix("_val")


def answer(ask):
    if "materialize" in ask:
        end = datetime.datetime.fromisoformat(ask["materialize"])
        store.materialize_incremental(end_date=end, feature_views=ask["views"])
        return None
    if "chronon" in ask:
        views = store.list_feature_views()
        for view in views:
            view.batch_source = ChrononSource(
                name=f"{view.name}_chronon",
                materialization_path="data",
                chronon_group_by=view.name,
                timestamp_field="event_timestamp",
            )
        store.apply(views)
        return None
    if "history" in ask:
        folder = pathlib.Path(sys.argv[1], "data", ask["history"])
        folder.mkdir(parents=True, exist_ok=True)
        rows = pandas.DataFrame(ask["rows"])
        rows["event_timestamp"] = pandas.to_datetime(rows["event_timestamp"], unit="ms", utc=True)
        rows["created"] = rows["event_timestamp"]
        rows.to_parquet(folder / "history.parquet")
        return None
    features = ask.get("features") or store.get_feature_service(ask["service"])
    entities = ask["entities"]
    words = {"features": features, "entity_rows": entities, "full_feature_names": ask.get("full", False)}
    if ask.get("async"):
        # The client of Redis belongs to one loop.
        told = loop.run_until_complete(store.get_online_features_async(**words))
    else:
        told = store.get_online_features(**words)
    rows = [{} for _ in entities]
    for name, column in zip(told.proto.metadata.feature_names.val, told.proto.results):
        if name in entities[0]:
            continue
        for at, row in enumerate(rows):
            value, kind = native(column.values[at])
            row[name] = {
                "value": value,
                "type": kind,
                "status": FieldStatus.Name(column.statuses[at]),
                # The client of another server does not say.
                "at": column.event_timestamps[at].ToJsonString() if column.event_timestamps else None,
            }
    return rows


for line in sys.stdin:
    try:
        told = answer(json.loads(line))
    except Exception as error:
        told = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(told), file=answers, flush=True)
