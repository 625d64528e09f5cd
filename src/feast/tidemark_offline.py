"""Feast's offline store of a Tidemark job: what features were at any time, from the log of its events.

`get_historical_features` has `tidemark historical` read the files that `sources` in feature_store.yaml names, in one
pass. Every example comes back, in its order, duplicates too, with what its features were at its time, exact to the
millisecond, with all that had left its window by then; an event at that very time counts. The history of a view is no
table: there is nothing to materialize, and nothing to write to.

Feast finds this module in the folder of the repository. A program that runs elsewhere has that folder in PYTHONPATH.
"""

import glob
import json
import logging
import os
import pathlib
import re
import subprocess
import tempfile
from datetime import date, datetime, timezone
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

import numpy
import pandas
import pyarrow
import pyarrow.compute
import pyarrow.fs
import pyarrow.parquet
from pydantic import StrictBool, StrictInt, StrictStr

from feast import utils
from feast.data_source import DataSource
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_view import FeatureView
from feast.infra.offline_stores.file_source import FileSource, SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.types import from_feast_to_pyarrow_type
from feast.value_type import ValueType

logger = logging.getLogger(__name__)

# What the examples' time is called where `tidemark historical` reads them.
TIME = "event_timestamp"

NO_TABLE = "the history of Tidemark's views is the log of events, and no table"


class TidemarkError(RuntimeError):
    """Says why features were not found, and what to do."""


class TidemarkOfflineStoreConfig(FeastConfigBaseModel):
    """`offline_store` in feature_store.yaml. Paths are relative to the repository."""

    type: StrictStr = "tidemark_offline.TidemarkOfflineStore"
    """ This class, by where Python finds it """

    job: StrictStr
    """ The job: a file, or the name of a shipped one """

    sources: Dict[StrictStr, Union[StrictStr, List[StrictStr]]] = {}
    """ Files with the records of each source of the job; `*`, `?` and `[..]` stand for what there is, in the order of names """

    tables: Dict[StrictStr, StrictStr] = {}
    """ CSV files to read reference tables from, in the place of what the job says """

    known: Optional[StrictStr] = None
    """ When an event counts: "final", once its time has come, which is the default; so much later: "lag=300ms"; or once it
    had arrived: "arrived" """

    before: StrictBool = False
    """ Leaves out events at the very time of an example: what was known just before """

    workers: Optional[StrictInt] = None
    """ Threads; by default one, or as many as PARALLELISM says """

    program: StrictStr = "tidemark"
    """ The program, by its path or to be found in PATH """


class TidemarkSource(DataSource):
    """The history of a view of the job."""

    def __init__(self, name: str, view: str, **more: Any):
        super().__init__(name=name, **{"timestamp_field": TIME, **more})
        self.view = view

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TidemarkSource) and super().__eq__(other) and self.view == other.view

    def __hash__(self) -> int:
        return super().__hash__()

    def source_type(self) -> "DataSourceProto.SourceType.ValueType":
        return DataSourceProto.CUSTOM_SOURCE

    @staticmethod
    def from_proto(data_source: DataSourceProto) -> "TidemarkSource":
        return TidemarkSource(
            name=data_source.name,
            view=json.loads(data_source.custom_options.configuration)["view"],
            timestamp_field=data_source.timestamp_field,
            field_mapping=dict(data_source.field_mapping),
            description=data_source.description,
            tags=dict(data_source.tags),
            owner=data_source.owner,
        )

    def _to_proto_impl(self) -> DataSourceProto:
        options = DataSourceProto.CustomSourceOptions(configuration=json.dumps({"view": self.view}).encode())
        return DataSourceProto(
            name=self.name,
            type=DataSourceProto.CUSTOM_SOURCE,
            data_source_class_type=f"{__name__}.{type(self).__name__}",
            custom_options=options,
            timestamp_field=self.timestamp_field,
            field_mapping=self.field_mapping,
            description=self.description,
            tags=self.tags,
            owner=self.owner,
        )

    def validate(self, config: RepoConfig) -> None:
        """What is wrong with the job is said when it is asked."""

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[Tuple[str, str]]:
        raise TidemarkError(f"{NO_TABLE}: views have the schema that `tidemark feast` writes, and no rows are put there")

    def get_table_query_string(self) -> str:
        raise TidemarkError(NO_TABLE)

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        raise TidemarkError(NO_TABLE)


class TidemarkRetrievalJob(RetrievalJob):
    """A question; the program runs, and reads the log, whenever it is asked for the answer."""

    def __init__(
        self,
        answer: Callable[[Optional[int]], pyarrow.Table],
        config: RepoConfig,
        metadata: Optional[RetrievalMetadata] = None,
        full_feature_names: bool = False,
        on_demand_feature_views: Iterable[OnDemandFeatureView] = (),
    ):
        self._answer = answer
        self._config = config
        self._metadata = metadata
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = list(on_demand_feature_views)

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> List[OnDemandFeatureView]:
        return self._on_demand_feature_views

    @property
    def metadata(self) -> Optional[RetrievalMetadata]:
        return self._metadata

    def _to_arrow_internal(self, timeout: Optional[int] = None) -> pyarrow.Table:
        return self._answer(timeout)

    def _to_df_internal(self, timeout: Optional[int] = None) -> pandas.DataFrame:
        return self._answer(timeout).to_pandas()

    def persist(self, storage: Any, allow_overwrite: bool = False, timeout: Optional[int] = None) -> None:
        """Writes the answer to one file of Parquet, in a folder or bucket."""
        if not isinstance(storage, SavedDatasetFileStorage) or not storage.file_options.uri.endswith(".parquet"):
            raise TidemarkError("an answer is saved as one file: SavedDatasetFileStorage(path='..parquet')")
        filesystem, path = _place(self._config, storage.file_options)
        if not allow_overwrite and filesystem.get_file_info(path).type != pyarrow.fs.FileType.NotFound:
            raise SavedDatasetLocationAlreadyExists(location=storage.file_options.uri)
        pyarrow.parquet.write_table(self.to_arrow(timeout=timeout), path, filesystem=filesystem)


class TidemarkOfflineStore(OfflineStore):
    """See the module."""

    def ensure_filter_by_created_timestamp_supported(self) -> None:
        raise NotImplementedError(
            "filter_by_created_timestamp asks what was known by then; of Tidemark ask it by `known: arrived`, or by "
            "`known: lag=300ms` with how long records take to arrive, in feature_store.yaml"
        )

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: List[FeatureView],
        feature_refs: List[str],
        entity_df: Any,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        **more: Any,
    ) -> RetrievalJob:
        if not isinstance(entity_df, pandas.DataFrame):
            what = "SQL" if isinstance(entity_df, str) else "nothing" if entity_df is None else type(entity_df).__name__
            raise TidemarkError(
                f"entity_df is {what}: name the examples in a pandas.DataFrame, with a column of keys for each entity "
                f"and a column {TIME}; there is no database that could be asked for them"
            )
        on_demand = utils._get_requested_on_demand_feature_views(feature_refs, project, registry)
        asked, asked_on_demand = utils._get_requested_feature_views_to_features_dict(
            feature_refs, feature_views, on_demand
        )
        column = infer_event_timestamp_from_entity_df(dict(zip(entity_df.columns, entity_df.dtypes)))
        # The answer is of the examples as they are now.
        examples = entity_df.reset_index(drop=True)
        examples = examples.assign(**{column: _times(examples, column)})
        names = _names(asked, set(examples.columns), full_feature_names)
        times = examples[column]
        return TidemarkRetrievalJob(
            lambda timeout: _historical(config, asked, names, examples, column, timeout),
            config,
            RetrievalMetadata(
                features=feature_refs,
                keys=[name for name in entity_df.columns if name != column],
                min_event_timestamp=None if times.empty else times.min().to_pydatetime(),
                max_event_timestamp=None if times.empty else times.max().to_pydatetime(),
            ),
            full_feature_names,
            asked_on_demand,
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig, data_source: DataSource, *columns: Any, **more: Any
    ) -> RetrievalJob:
        return _stored(config, data_source, *columns, **more)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig, data_source: DataSource, *columns: Any, **more: Any
    ) -> RetrievalJob:
        return _stored(config, data_source, *columns, **more)

    @staticmethod
    def write_logged_features(*arguments: Any, **more: Any) -> None:
        raise TidemarkError(f"{NO_TABLE}: there is nowhere to log served features to")

    @staticmethod
    def offline_write_batch(*arguments: Any, **more: Any) -> None:
        raise TidemarkError(f"{NO_TABLE}: send events to the topics or files of the job, and push no rows")


def _names(asked: Dict[FeatureView, List[str]], taken: set, full: bool) -> Dict[Tuple[str, str], str]:
    """What the features of each view are called in the answer."""
    names = {}
    for view, features in asked.items():
        alias = view.projection.name_to_use()
        for feature in features:
            name = names[alias, feature] = f"{alias}__{feature}" if full else feature
            if name in taken:
                raise TidemarkError(
                    f'entity_df has a column "{name}", which is a feature: rename or leave out that column, or use '
                    "full_feature_names=True"
                )
    return names


_ISO_8601 = (
    r"\d{4}-\d{2}-\d{2}([Tt ]+\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s*([Zz]|[+-]\d{2}(:?\d{2})?)?)?"
)


def _times(examples: pandas.DataFrame, column: str) -> pandas.Series:
    """The times in UTC; those without a zone are of UTC."""
    given = examples[column]
    if isinstance(given.dtype, pandas.CategoricalDtype):
        given = given.astype(object)
    reading: Dict[str, str] = {}
    if not pandas.api.types.is_datetime64_any_dtype(given):
        other = next((value for value in given.dropna() if not _is_time(value)), None)
        if other is not None:
            raise TidemarkError(
                f'column "{column}" of entity_df has {other!r}: give datetimes or texts in ISO 8601, of numbers '
                "pandas.to_datetime(numbers, unit='ms', utc=True)"
            )
        # Its "ISO8601" gives a text without a zone the zone of the text before.
        reading["format"] = "mixed"
    try:
        times = pandas.to_datetime(given, utc=True, **reading)
    except (ValueError, TypeError) as error:
        why = str(error).splitlines()[0]
        raise TidemarkError(f'column "{column}" of entity_df is no column of times: {why}') from error
    if times.isna().any():
        row = int(times.isna().to_numpy().nonzero()[0][0])
        raise TidemarkError(f'row {row} of entity_df has no time in "{column}": leave it out, or say when it was')
    return times


def _is_time(value: Any) -> bool:
    if isinstance(value, str):
        # pandas reads more than this, and drops names of zones, or takes their signs the other way round.
        return re.fullmatch(_ISO_8601, value.strip()) is not None
    return isinstance(value, date)


def _keys(examples: pandas.DataFrame, column: str, kind: pyarrow.DataType) -> pyarrow.Array:
    """Keys of an entity as the job has them."""
    if column not in examples.columns:
        names = ", ".join(str(name) for name in examples.columns)
        raise TidemarkError(f'entity_df has no column "{column}", which has the keys of an entity; its columns: {names}')
    given = examples[column]
    is_bool = pandas.api.types.infer_dtype(given, skipna=True) == "boolean"
    if pyarrow.types.is_integer(kind):
        try:
            if is_bool:
                raise TypeError("they are bools")
            return pyarrow.array(pandas.array(given, dtype="Int64"))
        except (ValueError, TypeError, OverflowError) as error:
            raise TidemarkError(f'column "{column}" of entity_df has keys that are no whole numbers: {error}') from error
    keys = []
    for row, (key, missing) in enumerate(zip(given, given.isna())):
        if missing:
            keys.append(None)
        elif isinstance(key, str):
            keys.append(key)
        elif isinstance(key, (int, numpy.integer)) and not is_bool:
            keys.append(str(key))
        else:
            raise TidemarkError(f'row {row} of entity_df has {key!r} in "{column}", where keys are texts: make it one')
    return pyarrow.array(keys, pyarrow.string())


class _Run:
    """A run of the program: which features it is asked for, and which columns have the keys of them."""

    def __init__(self) -> None:
        self.keys: Dict[str, Tuple[str, pyarrow.DataType]] = {}
        self.features: List[str] = []
        self.answers: List[Tuple[str, str, pyarrow.DataType]] = []

    def takes(self, keys: Dict[str, Tuple[str, pyarrow.DataType]]) -> bool:
        return all(self.keys.get(key, column) == column for key, column in keys.items())


def _runs(asked: Dict[FeatureView, List[str]], names: Dict[Tuple[str, str], str]) -> List[_Run]:
    """One, unless one entity is asked by several columns, as of who sends and who receives."""
    runs: List[_Run] = []
    for view, features in asked.items():
        source = view.batch_source
        if not isinstance(source, TidemarkSource):
            kind = type(source).__name__
            raise TidemarkError(f'view "{view.name}" has its history in a {kind}: Tidemark has that of its own views')
        mapped = view.projection.join_key_map
        keys = {
            column.name: (mapped.get(column.name, column.name), from_feast_to_pyarrow_type(column.dtype))
            for column in view.entity_columns
        }
        run = next((run for run in runs if run.takes(keys)), None)
        if run is None:
            run = _Run()
            runs.append(run)
        run.keys.update(keys)
        of_job = {new: old for old, new in source.field_mapping.items()}
        kinds = {field.name: from_feast_to_pyarrow_type(field.dtype) for field in view.schema}
        for feature in features:
            own = of_job.get(feature, feature)
            reference = f"{source.view}:{own}"
            if reference not in run.features:
                run.features.append(reference)
            name = names[view.projection.name_to_use(), feature]
            run.answers.append((name, f"{source.view}__{own}", kinds[feature]))
    return runs


def _historical(
    config: RepoConfig,
    asked: Dict[FeatureView, List[str]],
    names: Dict[Tuple[str, str], str],
    examples: pandas.DataFrame,
    column: str,
    timeout: Optional[int],
) -> pyarrow.Table:
    """The examples with their features."""
    times = examples[column].dt.floor("ms").dt.as_unit("ms").astype("int64")
    found: Dict[str, pyarrow.ChunkedArray] = {}
    for run in _runs(asked, names):
        spine = {key: _keys(examples, column, kind) for key, (column, kind) in run.keys.items()}
        table = pyarrow.table({TIME: pyarrow.array(times, pyarrow.int64()), **spine})
        answer = _ask(config, table, run.features, timeout)
        for name, own, kind in run.answers:
            found[name] = _typed(answer[own], name, kind)
    table = pyarrow.Table.from_pandas(examples, preserve_index=False)
    for name in names.values():
        table = table.append_column(name, found[name])
    return table


def _ask(config: RepoConfig, spine: pyarrow.Table, features: List[str], timeout: Optional[int]) -> pyarrow.Table:
    """What `tidemark historical` answers; its rows are those of `spine`."""
    with tempfile.TemporaryDirectory(prefix="tidemark-feast-") as folder:
        examples, answer = (os.path.join(folder, name) for name in ("entity_df.parquet", "features.parquet"))
        pyarrow.parquet.write_table(spine, examples)
        command = _command(config, examples, features, answer)
        try:
            ended = subprocess.run(
                command,
                cwd=config.repo_path,
                timeout=timeout,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise TidemarkError(
                f"cannot start {command[0]!r}: {error}; have it in PATH, or name it by `program` of offline_store in "
                "feature_store.yaml"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise TidemarkError(f"`{command[0]} historical` did not end within {timeout} s, and was ended") from error
        said = ended.stderr.strip().replace(examples, "entity_df").replace(answer, "the answer")
        if ended.returncode != 0:
            raise TidemarkError(f"`{command[0]} historical` failed with exit code {ended.returncode}:\n{said}")
        # Such as how many records were refused, and why.
        if said:
            logger.warning("%s historical: %s", command[0], said)
        logger.info("%s", ended.stdout.strip())
        table = pyarrow.parquet.read_table(answer)
    # Of no rows it has no columns but features.
    if table.num_rows != spine.num_rows or spine.num_rows > 0 and not table[TIME].equals(spine[TIME]):
        raise TidemarkError(f"`{command[0]} historical` gave other rows than it was asked for; is it the right version?")
    return table


def _command(config: RepoConfig, examples: str, features: List[str], answer: str) -> List[str]:
    store = config.offline_store
    command = [store.program, "historical", f"--entities={examples}", f"--time={TIME}", "--time-unit=ms"]
    command += [f"--features={','.join(features)}", "--full-feature-names", f"--out={answer}"]
    if not store.sources:
        raise TidemarkError(
            "`sources` of offline_store in feature_store.yaml names no files: run `tidemark feast` with --source "
            "NAME=FILE, where the log of the job's events is"
        )
    for source, patterns in store.sources.items():
        command.append(f"--source={source}={','.join(_files(config, source, patterns))}")
    command += [f"--table={name}={path}" for name, path in store.tables.items()]
    if store.known is not None:
        command.append(f"--known={store.known}")
    if store.before:
        command.append("--before")
    if store.workers is not None:
        command.append(f"--workers={store.workers}")
    return command + ["--", store.job]


def _files(config: RepoConfig, source: str, patterns: Union[str, List[str]]) -> List[str]:
    found: List[str] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        path = str(pathlib.Path(config.repo_path or ".") / pattern)
        paths = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else [path]
        if not paths:
            raise TidemarkError(f"source {source}: there is no file '{path}'")
        found += paths
    if any("," in path for path in found):
        raise TidemarkError(f"source {source}: the name of a file has a comma, which parts files; rename it: {found}")
    return found


def _typed(column: pyarrow.ChunkedArray, name: str, kind: pyarrow.DataType) -> pyarrow.ChunkedArray:
    """A feature as its view declares it; a time is a whole number of ms, as it is online."""
    try:
        if pyarrow.types.is_timestamp(column.type) and pyarrow.types.is_integer(kind):
            column = column.cast(pyarrow.timestamp("ms", "UTC"))
        return column.cast(kind)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise TidemarkError(
            f"feature {name} is {column.type} in the job, and {kind} in the repository: run `tidemark feast` and "
            f"`feast apply` again ({error})"
        ) from error


def _place(config: RepoConfig, options: Any) -> Tuple[Any, str]:
    repo = pathlib.Path(config.repo_path or ".").absolute()
    uri = FileSource.get_uri_for_file_path(repo_path=repo, uri=options.uri)
    filesystem, path = FileSource.create_filesystem_and_path(str(uri), options.s3_endpoint_override)
    return (filesystem, path) if filesystem is not None else pyarrow.fs.FileSystem.from_uri(str(uri))


def _stored(
    config: RepoConfig,
    data_source: DataSource,
    join_key_columns: List[str],
    feature_name_columns: List[str],
    timestamp_field: str,
    created_timestamp_column: Optional[str] = None,
    start_date: Optional[datetime] = None,
    end_date: Optional[datetime] = None,
) -> RetrievalJob:
    """Rows of a dataset that was saved, in a span of time; of a view there are none."""
    columns = [*join_key_columns, *feature_name_columns, timestamp_field]
    if isinstance(data_source, TidemarkSource):
        logger.warning(
            "%s: there is nothing to materialize, `tidemark run` keeps the rows online current", data_source.view
        )
        nothing = pyarrow.table({name: pyarrow.array([], pyarrow.null()) for name in columns})
        return TidemarkRetrievalJob(lambda timeout: nothing, config)
    if not isinstance(data_source, FileSource):
        raise TidemarkError(f"a dataset is read from one file of Parquet, and not from a {type(data_source).__name__}")

    def read(timeout: Optional[int]) -> pyarrow.Table:
        filesystem, path = _place(config, data_source.file_options)
        table = pyarrow.parquet.read_table(path, filesystem=filesystem)
        time = pyarrow.compute.cast(table[timestamp_field], pyarrow.timestamp("us", "UTC"))
        within = pyarrow.compute.is_valid(time)
        for bound, compare in ((start_date, pyarrow.compute.greater_equal), (end_date, pyarrow.compute.less_equal)):
            if bound is not None:
                within = pyarrow.compute.and_(within, compare(time, utils.make_tzaware(bound).astimezone(timezone.utc)))
        table = table.filter(within)
        return table

    return TidemarkRetrievalJob(read, config)
