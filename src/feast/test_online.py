"""That Feast reads online every view and service of this repository, by their names and the ids of their entities.

`python test_online.py` here, or pytest, after `feast apply`; needs the job's Redis, and no rows in it.
"""

import pathlib

NOBODY = {"Int64": -77}


def test_every_view_and_service_is_read_online():
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(pathlib.Path(__file__).resolve().parent))
    views = store.list_feature_views()
    assert views, "run `feast apply` first"
    # Of somebody whom no event is of: so it does not matter which rows there are.
    keys = {column.name: NOBODY.get(str(column.dtype), "nobody of that name") for view in views for column in view.entity_columns}
    for view in views:
        row = [{column.name: keys[column.name] for column in view.entity_columns}]
        names = [feature.name for feature in view.features]
        told = store.get_online_features(features=[f"{view.name}:{name}" for name in names], entity_rows=row).to_dict()
        assert set(told) == {*names, *row[0]}, (view.name, told)
        assert all(told[name] == [None] for name in names), (view.name, told)
    for service in store.list_feature_services():
        told = store.get_online_features(features=service, entity_rows=[keys], full_feature_names=True).to_dict()
        wanted = {f"{view.name}__{feature.name}" for view in service.feature_view_projections for feature in view.features}
        assert wanted <= set(told), (service.name, wanted - set(told))


if __name__ == "__main__":
    test_every_view_and_service_is_read_online()
    print("every view and service is read online")
