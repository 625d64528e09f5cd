"""Makes the files of Parquet beside this one, which our own program cannot write: pip install pyarrow."""

import pyarrow as pa
import pyarrow.parquet as pq

table = pa.table({"id": ["a", "b"], "nothing": pa.nulls(2)})
for compression in ("gzip", "brotli", "lz4", "zstd"):
    pq.write_table(table, f"{compression}.parquet", compression=compression, store_schema=False)
pq.write_table(table.slice(0, 0), "no_rows.parquet", store_schema=False)
